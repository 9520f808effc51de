// One pass over the files of a configuration: values are looked up, expanded and converted, and mistakes reported.
import { ConfigError, type Diagnostic } from '../../errors.js';
import { byText, splitWords } from '../../spec/python-text.js';
import { emptyIni, findValue, type Ini, type IniValue, keysOf, mergeIni, type Wants } from '../ini.js';
import { absolutePath, folderOf, joinPath } from '../posix-path.js';
import { type FormatValue, formatText, type Scopes } from '../python-format.js';
import type { ParseMessage } from './config.js';
import { type Directive, type ValueOf, valueTypes } from './directives.js';
import type { ConfigSource } from './source.js';
import { ValueFault } from './value-types.js';

export interface Place {
  readonly file: string;
  readonly line: number;
}

export type Scope = Map<string, FormatValue>;

/** What to do with a mistake. A reporter that returns lets the reading go on, with the default in its place. */
export type Reporter = (diagnostic: Diagnostic) => void;

export const throwFirst: Reporter = (diagnostic) => {
  if (diagnostic.severity === 'error') throw new ConfigError(null, [diagnostic]);
};

/** A file that cannot be parsed ends the reading, whatever the reporter does. */
export class Unparsable extends Error {}

const HERE = '%(here)s';

export class Reading {
  readonly source: ConfigSource;
  readonly ini: Ini = emptyIni();
  readonly here: string;
  readonly files: string[] = [];
  readonly messages: ParseMessage[] = [];
  #environment: Scope | null = null;
  readonly #report: Reporter;
  readonly #wants: Wants;
  readonly #defaults = new Map<Directive, unknown>();

  constructor(source: ConfigSource, report: Reporter, wants: Wants = () => true) {
    this.source = source;
    this.#wants = wants;
    this.#report = report;
    this.here = absolutePath(folderOf(source.path), source.cwd);
  }

  /** ENV_x of the supervisor's own environment, and then those of [supervisord]. */
  get environment(): Scope {
    this.#environment ??= new Map(
      this.source.environment.map((variable) => {
        const equals = variable.indexOf('=', 1);
        return [`ENV_${variable.slice(0, equals)}`, variable.slice(equals + 1)];
      }),
    );
    return this.#environment;
  }

  error(message: string, place: Place, suggestion: string | null = null): void {
    this.#note('error', message, place, suggestion);
  }

  warning(message: string, place: Place, suggestion: string | null = null): void {
    this.#note('warning', message, place, suggestion);
  }

  #note(
    severity: Diagnostic['severity'],
    message: string,
    { file, line }: Place,
    suggestion: string | null,
  ): void {
    this.#report({ severity, file, line, message, ...(suggestion === null ? {} : { suggestion }) });
  }

  /** A warning that Supervisor has too, and writes to its log. */
  logWarning(text: string, place: Place): void {
    this.messages.push({ level: 'warn', text });
    this.warning(text, place);
  }

  /** The first line of the main file, for what is missing. */
  get top(): Place {
    return { file: this.source.path, line: 1 };
  }

  /** Reads the main file and what it includes. An included file's own [include] is ignored. */
  readFiles(): void {
    const { path } = this.source;
    let text: string | null;
    try {
      text = this.source.readFile(path);
    } catch {
      return this.#abandon(`could not read config file ${path}`, this.top);
    }
    if (text === null) return this.#abandon(`could not find config file ${path}`, this.top);
    this.#parse(text, path);
    if (this.ini.sections.has('include')) this.#include();
    this.#add();
  }

  /** What a file says of the same name counts more: it is there to be seen. */
  #add(): void {
    const { file = '', programs = [] } = this.source.added ?? {};
    for (const { name, values } of programs) {
      const rivals = ['program', 'group', 'eventlistener', 'fcgi-program'].map((kind) => `${kind}:${name}`);
      const rival = rivals.find((section) => this.ini.sections.has(section));
      if (rival !== undefined)
        this.logWarning(`${name} was added, and gives way to [${rival}]`, this.sectionPlace(rival));
      else
        this.ini.sections.set(`program:${name}`, {
          file,
          line: 1,
          values: new Map(
            Object.entries(values).map(([key, text]) => [key, { text, file, line: 1, comment: null }]),
          ),
        });
    }
  }

  #parse(text: string, file: string): void {
    this.files.push(file);
    const fault = mergeIni(this.ini, text, file, this.#wants);
    if (fault !== null) this.#abandon(fault.message, { file, line: fault.line });
  }

  #abandon(message: string, place: Place): void {
    this.error(message, place);
    throw new Unparsable(message);
  }

  #include(): void {
    this.#replaceHere(this.here);
    const section = this.sectionPlace('include');
    const files = findValue(this.ini, 'include', 'files');
    if (files === null) return this.error('.ini file has [include] section, but no files setting', section);
    const scope: Scope = new Map([
      ['here', this.here],
      ['host_node_name', this.source.host.nodeName],
      ...this.environment,
    ]);
    const globs = this.expand(files.text, [scope], 'include.files', files) ?? '';
    for (const glob of splitWords(globs)) {
      const pattern = joinPath(this.here, glob);
      const matches = [...this.source.listFiles(pattern)].sort(byText);
      if (matches.length === 0) this.logWarning(`No file matches via include "${pattern}"`, files);
      for (const file of matches) {
        this.messages.push({ level: 'info', text: `Included extra file "${file}" during parsing` });
        const text = this.#readIncluded(file);
        if (text !== null) this.#parse(text, file);
        this.#replaceHere(absolutePath(folderOf(file), this.source.cwd));
      }
    }
  }

  /** Supervisor passes over what it may not read. */
  #readIncluded(file: string): string | null {
    try {
      return this.source.readFile(file);
    } catch {
      this.warning('this file is left out: it cannot be read', { file, line: 1 });
      return null;
    }
  }

  /** Textually, so that a value knows the folder of the file that it came from; even `%%(here)s` is replaced. */
  #replaceHere(here: string): void {
    for (const [name, section] of this.ini.sections)
      for (const key of keysOf(this.ini, name)) {
        const value = findValue(this.ini, name, key)!;
        if (value.text.includes(HERE))
          section.values.set(key, { ...value, text: value.text.replaceAll(HERE, here) });
      }
  }

  sectionPlace(section: string): Place {
    const { file, line } = this.ini.sections.get(section) ?? this.top;
    return { file, line };
  }

  /** Where the key is written; else where its section is. */
  placeOfKey(section: string, key: string): Place {
    return findValue(this.ini, section, key) ?? this.sectionPlace(section);
  }

  /** One value for all, since nobody changes it. */
  defaultOf<const D extends Directive>(directive: D): ValueOf<D> {
    if (directive.default === null) return null as ValueOf<D>;
    if (!this.#defaults.has(directive))
      this.#defaults.set(directive, valueTypes[directive.type](directive.default, this.source));
    return this.#defaults.get(directive) as ValueOf<D>;
  }

  /** null: it was reported. */
  expand(text: string, scopes: Scopes, name: string, place: Place, suffix = ''): string | null {
    const formatted = formatText(text, scopes, name);
    if ('text' in formatted) return formatted.text;
    this.error(formatted.fault + suffix, place);
    return null;
  }

  /** What `convert` makes of it, or null if it was reported. */
  convert<T>(convert: () => T, place: Place, suffix = ''): T | null {
    try {
      return convert();
    } catch (error) {
      if (!(error instanceof ValueFault)) throw error;
      this.error(error.message + suffix, place);
      return null;
    }
  }
}

/** A section, seen with the names that its values may use. The suffix ends every message about it. */
export class SectionReader {
  readonly reading: Reading;
  readonly section: string;
  readonly scope: Scope;
  readonly suffix: string;

  constructor(reading: Reading, section: string, scope: Scope, suffix = '') {
    this.reading = reading;
    this.section = section;
    this.scope = scope;
    this.suffix = suffix;
  }

  get place(): Place {
    return this.reading.sectionPlace(this.section);
  }

  written(key: string): IniValue | null {
    return findValue(this.reading.ini, this.section, key);
  }

  placeOf(key: string): Place {
    return this.reading.placeOfKey(this.section, key);
  }

  /** Expanded; null where it is not written, or was reported. */
  text(key: string): string | null {
    const value = this.written(key);
    return value === null ? null : this.expand(value.text, `${this.section}.${key}`, value);
  }

  expand(text: string, name: string, place: Place): string | null {
    return this.reading.expand(text, this.#scopes, name, place, this.suffix);
  }

  /** The environment is asked last, and not made before. */
  get #scopes(): Scopes {
    const { scope, reading } = this;
    return {
      *[Symbol.iterator]() {
        yield scope;
        yield reading.environment;
      },
    };
  }

  error(message: string, key?: string, suggestion: string | null = null): void {
    const place = key === undefined ? this.place : this.placeOf(key);
    this.reading.error(message + this.suffix, place, suggestion);
  }

  /** The value of a key, its default if it is not written or was reported. */
  get<const D extends Directive>(key: string, directive: D): ValueOf<D> {
    const written = this.written(key);
    if (written === null) return this.reading.defaultOf(directive);
    const text = this.expand(written.text, `${this.section}.${key}`, written);
    const type = valueTypes[directive.type];
    const value = text === null ? null : this.convert(() => type(text, this.reading.source), key);
    return value === null ? this.reading.defaultOf(directive) : (value as ValueOf<D>);
  }

  convert<T>(convert: () => T, key: string): T | null {
    return this.reading.convert(convert, this.placeOf(key), this.suffix);
  }

  /** All keys of a table, in its order. */
  getAll<const T extends Readonly<Record<string, Directive>>>(
    table: T,
  ): { readonly [K in keyof T]: ValueOf<T[K]> } {
    const values: Record<string, unknown> = {};
    for (const key in table) values[key] = this.get(key, table[key]!);
    return values as { readonly [K in keyof T]: ValueOf<T[K]> };
  }
}

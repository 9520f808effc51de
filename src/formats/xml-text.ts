// XML 1.0 as data uses it: elements, attributes, text, CDATA, comments, the five entities and numbers. No document
// type, hence no entities of its own, no expansion and nothing fetched: whatever comes in, the work is linear.
// Names are ASCII. Everything else that is not well-formed is refused, as expat refuses it.
import { decodeBytes } from '../spec/byte-text.js';

export class XmlError extends Error {
  override readonly name = 'XmlError';
}

/** What a reader of XML is told, in order. The attributes are checked and not told. */
export interface XmlHandler {
  readonly start: (name: string) => void;
  /** May come in several pieces. */
  readonly text: (piece: string) => void;
  readonly end: (name: string) => void;
}

/** The names that a document repeats are few and short. */
const NAME_KNOWN_MAX = 20;
const NAMES_KNOWN_MAX = 50;

/** Deeper is no data: a parser that recurses, or whoever reads the result, would run out of stack. */
const DEPTH_MAX = 512;

/** What no XML document can hold, not even as a character reference; a lone surrogate is another such thing. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;
const ALL_FORBIDDEN = new RegExp(FORBIDDEN, 'g');

const isAllowed = (text: string): boolean => !FORBIDDEN.test(text) && text.isWellFormed();

/**
 * Text that is valid inside of an element. What XML has no way to say becomes U+FFFD; a carriage return is written
 * as a reference, since a reader would turn it into a line feed.
 */
export function escapeText(text: string): string {
  const allowed = isAllowed(text) ? text : text.toWellFormed().replace(ALL_FORBIDDEN, '\ufffd');
  return /[&<>\r]/.test(allowed) ? allowed.replace(/[&<>\r]/g, (character) => escapes[character]!) : allowed;
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '\r': '&#13;' };

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

const DECLARATION =
  /^<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"[\w.:-]*"|'[\w.:-]*')(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:"([A-Za-z][\w.-]*)"|'([A-Za-z][\w.-]*)'))?(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\r\n]*\?>/;
const NAME = /[A-Za-z_:][\w.:-]*/y;
const ATTRIBUTE = /[ \t\r\n]+([A-Za-z_:][\w.:-]*)[ \t\r\n]*=[ \t\r\n]*(?:"([^"<]*)"|'([^'<]*)')/y;
const TAG_END = /[ \t\r\n]*(\/?)>/y;
const END_TAG = /<\/([A-Za-z_:][\w.:-]*)[ \t\r\n]*>/y;
const INSTRUCTION = /<\?([A-Za-z_:][\w.:-]*)(?:[ \t\r\n].*?)?\?>/sy;

/** Tells the handler what the document holds; throws XmlError where it is not well-formed. */
export function readXml(bytes: Uint8Array, handler: XmlHandler): void {
  const text = decodeDocument(bytes);
  if (!isAllowed(text)) {
    const index = FORBIDDEN.exec(text)?.index ?? 0;
    throw fault(text, index, 'a character that XML forbids, or bytes that are no text');
  }
  new Reader(text, handler).readDocument();
}

function decodeDocument(bytes: Uint8Array): string {
  const text = decodeBytes(bytes).replace(/^\ufeff/, '');
  const declared = DECLARATION.exec(text);
  const encoding = declared?.[1] ?? declared?.[2] ?? 'utf-8';
  switch (encoding.toLowerCase()) {
    case 'utf-8':
      return text;
    case 'us-ascii':
    case 'iso-8859-1':
      return decodeLatin1(bytes, encoding);
    default:
      throw new XmlError(`unknown encoding '${encoding}'`);
  }
}

function decodeLatin1(bytes: Uint8Array, encoding: string): string {
  const highest = encoding.toLowerCase() === 'us-ascii' ? 0x7f : 0xff;
  let text = '';
  for (const byte of bytes) {
    if (byte > highest) throw new XmlError(`a byte that is not ${encoding}`);
    text += String.fromCharCode(byte);
  }
  return text;
}

function fault(text: string, index: number, what: string): XmlError {
  return new XmlError(`line ${text.slice(0, index).split('\n').length}: ${what}`);
}

class Reader {
  readonly #text: string;
  readonly #handler: XmlHandler;
  readonly #open: string[] = [];
  /** Each to itself: the string that was met first, which need not be hashed again. */
  readonly #names = new Map<string, string>();
  #at = 0;

  constructor(text: string, handler: XmlHandler) {
    this.#text = text;
    this.#handler = handler;
  }

  readDocument(): void {
    this.#at = DECLARATION.exec(this.#text)?.[0].length ?? 0;
    this.#readMisc();
    if (this.#at === this.#text.length) throw this.#fault('no element found');
    this.#readStartTag();
    while (this.#open.length > 0) this.#readContent();
    this.#readMisc();
    if (this.#at < this.#text.length) throw this.#fault('junk after the document');
  }

  #fault(what: string): XmlError {
    return fault(this.#text, this.#at, what);
  }

  /** Blanks, comments and instructions around the root element. */
  #readMisc(): void {
    for (;;) {
      while (' \t\r\n'.includes(this.#text[this.#at] ?? '-')) this.#at += 1;
      if (!this.#readComment() && !this.#readInstruction()) return;
    }
  }

  #readContent(): void {
    const next = this.#text.indexOf('<', this.#at);
    if (next === -1) {
      this.#at = this.#text.length;
      throw this.#fault(`'${this.#open.at(-1)}' is not closed`);
    }
    if (next > this.#at) this.#readText(next);
    const after = this.#text[this.#at + 1];
    if (after === '/') this.#readEndTag();
    else if (after !== '!' && after !== '?') this.#readStartTag();
    else if (!this.#readComment() && !this.#readInstruction() && !this.#readCdata())
      throw this.#fault('a declaration outside of a document type');
  }

  #readText(end: number): void {
    const raw = this.#text.slice(this.#at, end);
    if (raw.includes(']]>')) throw this.#fault("']]>' outside of CDATA");
    this.#handler.text(this.#resolve(unifyLineEnds(raw)));
    this.#at = end;
  }

  #resolve(raw: string): string {
    if (!raw.includes('&')) return raw;
    return raw.replace(/&([^;&]*;?)/g, (_, written: string) => {
      const number = /^#(?:x([0-9A-Fa-f]+)|([0-9]+));$/.exec(written);
      if (number !== null) return this.#characterOf(number[1], number[2]);
      const entity = written.endsWith(';') ? written.slice(0, -1) : '';
      if (!Object.hasOwn(entities, entity)) throw this.#fault('an unknown reference');
      return entities[entity]!;
    });
  }

  #characterOf(hexadecimal: string | undefined, decimal: string | undefined): string {
    const point = hexadecimal === undefined ? Number(decimal) : Number.parseInt(hexadecimal, 16);
    const character = point <= 0x10ffff ? String.fromCodePoint(point) : '\0';
    if (!isAllowed(character)) throw this.#fault('a reference to a character that XML forbids');
    return character;
  }

  #readComment(): boolean {
    if (!this.#text.startsWith('<!--', this.#at)) return false;
    const end = this.#text.indexOf('--', this.#at + 4);
    if (end === -1 || this.#text[end + 2] !== '>') throw this.#fault('a comment that does not end');
    this.#at = end + 3;
    return true;
  }

  #readInstruction(): boolean {
    if (!this.#text.startsWith('<?', this.#at)) return false;
    const match = this.#match(INSTRUCTION);
    if (match === null || match[1]!.toLowerCase() === 'xml') throw this.#fault('a misplaced instruction');
    this.#at += match[0].length;
    return true;
  }

  #readCdata(): boolean {
    if (!this.#text.startsWith('<![CDATA[', this.#at)) return false;
    const start = this.#at + '<![CDATA['.length;
    const end = this.#text.indexOf(']]>', start);
    if (end === -1) throw this.#fault('CDATA that does not end');
    this.#handler.text(unifyLineEnds(this.#text.slice(start, end)));
    this.#at = end + 3;
    return true;
  }

  #readStartTag(): void {
    if (this.#text[this.#at] !== '<') throw this.#fault('text outside of the document');
    this.#at += 1;
    const name = this.#readPlainTag() ?? this.#readName();
    const isEmpty = this.#readTagEnd(name);
    if (this.#open.length === DEPTH_MAX) throw this.#fault(`more than ${DEPTH_MAX} elements in one another`);
    this.#handler.start(name);
    if (isEmpty) this.#handler.end(name);
    else this.#open.push(name);
  }

  /** A name that was met before, with its > right after it, as nearly all are: what costs a look, not a parse. */
  #readPlainTag(): string | null {
    const end = this.#text.indexOf('>', this.#at);
    if (end === -1 || end - this.#at > NAME_KNOWN_MAX) return null;
    const name = this.#names.get(this.#text.slice(this.#at, end));
    if (name === undefined) return null;
    this.#at = end;
    return name;
  }

  #readName(): string {
    const name = this.#match(NAME)?.[0];
    if (name === undefined) throw this.#fault('no element name after <');
    this.#at += name.length;
    if (name.length <= NAME_KNOWN_MAX && this.#names.size < NAMES_KNOWN_MAX) this.#names.set(name, name);
    return name;
  }

  /** Whether the element is empty, as in `<nil/>`. */
  #readTagEnd(name: string): boolean {
    if (this.#text[this.#at] === '>') {
      this.#at += 1;
      return false;
    }
    this.#checkAttributes();
    const end = this.#match(TAG_END);
    if (end === null) throw this.#fault(`the tag '${name}' is not well-formed`);
    this.#at += end[0].length;
    return end[1] === '/';
  }

  #checkAttributes(): void {
    const seen = new Set<string>();
    for (let match = this.#match(ATTRIBUTE); match !== null; match = this.#match(ATTRIBUTE)) {
      const [whole, name, double, single] = match;
      if (seen.has(name!)) throw this.#fault(`the attribute '${name}' twice`);
      this.#resolve(double ?? single ?? '');
      seen.add(name!);
      this.#at += whole.length;
    }
  }

  #readEndTag(): void {
    const name = this.#open.pop()!;
    const end = this.#at + 2 + name.length;
    if (this.#text[end] === '>' && this.#text.startsWith(name, this.#at + 2)) this.#at = end + 1;
    else {
      const match = this.#match(END_TAG);
      if (match === null || match[1] !== name) throw this.#fault(`'${name}' is not closed`);
      this.#at += match[0].length;
    }
    this.#handler.end(name);
  }

  /** The pattern at the place we are at; it must be sticky. */
  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text);
  }
}

const unifyLineEnds = (raw: string): string => (raw.includes('\r') ? raw.replace(/\r\n?/g, '\n') : raw);

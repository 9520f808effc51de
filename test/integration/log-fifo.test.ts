// The log of a program that writes to a FIFO: every byte arrives, as it is or as lines, whoever dies meanwhile.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { makeFifo } from '../../src/os/fifo.js';
import { LogPump, type LogPumpOptions } from '../../src/os/log-fifo.js';
import type { LogNotice } from '../../src/os/log-notice.js';
import type { LogRotation } from '../../src/spec/service-spec.js';
import {
  assertNumbered,
  backupsOf,
  killKeeper,
  linesOf,
  mountImage,
  needsMount,
  startKeeper,
  startWriter,
  stopWriter,
  wholeLog,
} from '../support/logs.js';
import { needsLinux } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';
import { makeRandom } from '../unit/random.js';

const skip = needsLinux;

type Format = LogPumpOptions['format'];
const formats: readonly Format[] = ['as-is', 'timestamps', 'json-lines'];
const TIME = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`;
const KILLS = 30;

const policy = (changes: Partial<LogRotation> = {}): LogRotation => ({
  maxBytes: null,
  maxAgeMs: null,
  backups: 10_000,
  compress: false,
  ...changes,
});

/** The program's lines, from those of a log of this format. */
function originals(format: Format, lines: readonly string[]): string[] {
  if (format === 'as-is') return [...lines];
  return lines.map((line) => {
    if (format === 'json-lines') return (JSON.parse(line) as { text: string }).text;
    assert.match(line, new RegExp(`^${TIME} `));
    return line.slice(line.indexOf(' ') + 1);
  });
}

/** As a program would find it. */
function fifoIn(folder: string, stream: string): string {
  const path = join(folder, `${stream}.fifo`);
  makeFifo(path);
  return path;
}

function optionsFor(world: World, changes: Partial<LogPumpOptions> = {}): Omit<LogPumpOptions, 'report'> {
  return {
    path: world.path('web.log'),
    folder: world.folder,
    streams: ['stdout'],
    format: 'as-is',
    rotation: null,
    ...changes,
  };
}

interface Pumped {
  readonly pump: LogPump;
  readonly notices: LogNotice[];
  /** As a program holds it: for reading and writing, so that it always has a reader. */
  readonly program: number;
  close(): Promise<void>;
}

async function startPump(options: Omit<LogPumpOptions, 'report'>): Promise<Pumped> {
  const notices: LogNotice[] = [];
  const pump = new LogPump({ ...options, report: (notice) => notices.push(notice) });
  await pump.begin();
  const program = pump.openEnd(options.streams[0]);
  const close = async (): Promise<void> => {
    await pump[Symbol.asyncDispose]();
    closeSync(program);
  };
  return { pump, notices, program, close };
}

/** What stays beside the FIFO when all of it is in the log: nothing. */
function assertTidy(folder: string): void {
  assert.deepEqual(
    readdirSync(folder).filter((file) => file.includes('spool')),
    [],
  );
}

for (const format of formats) {
  test(`${format}: a writer at full speed finds every line in the log, rotated meanwhile`, {
    skip,
  }, async () => {
    await using world = await makeWorld();
    const options = optionsFor(world, { format, rotation: policy({ maxBytes: 100_000 }) });
    const { pump, notices, program, close } = await startPump(options);
    const writer = startWriter(world, program);
    await until(() => assert.ok(notices.length >= 50), { withinMs: 30_000 });
    const lines = await stopWriter(writer);
    await pump.drain();
    assertNumbered(originals(format, linesOf(wholeLog(options.path))), lines);
    const sizes = backupsOf(options.path).map((file) => statSync(file).size);
    // As it is, it is cut where the limit is; lines are not cut.
    if (format === 'as-is') assert.deepEqual([...new Set(sizes)], [100_000]);
    else
      assert.ok(
        sizes.every((size) => size >= 100_000 && size < 100_200),
        sizes.join(' '),
      );
    assert.deepEqual([...new Set(notices.map(({ name }) => name))], ['rotated']);
    await close();
    assertTidy(world.folder);
  });

  test(`${format}: killed at ${KILLS} random moments, those who pump lose no line and write none twice`, {
    skip,
  }, async () => {
    await using world = await makeWorld();
    const random = makeRandom(Number(process.env.TSDAEMON_SEED ?? 31));
    const options = optionsFor(world, { format, rotation: policy({ maxBytes: 1_000_000 }) });
    const program = openSync(fifoIn(options.folder, 'stdout'), 'r+');
    const writer = startWriter(world, program);
    for (let round = 0; round < KILLS; round += 1) {
      const keeper = startKeeper(world, ['fifo', JSON.stringify(options)]);
      await keeper.up;
      await pause(random.below(30));
      await killKeeper(keeper);
      assert.equal(writer.exitCode, null, 'the writer outlives its readers');
      assert.ok(!keeper.notices.some(({ name }) => name !== 'rotated'), JSON.stringify(keeper.notices));
    }
    const { pump, close } = await startPump(options);
    const lines = await stopWriter(writer);
    await pump.drain();
    await close();
    assertNumbered(originals(format, linesOf(wholeLog(options.path))), lines);
    assertTidy(world.folder);
    closeSync(program);
  });
}

test('a line is in the log at once, and nobody has to write a second one for it', { skip }, async () => {
  await using world = await makeWorld();
  for (const format of formats) {
    const options = optionsFor(world, { format, path: world.path(`${format}.log`) });
    const { program, close } = await startPump(options);
    for (const line of ['one', 'two']) {
      writeSync(program, `${line}\n`);
      await until(() => assert.match(readFileSync(options.path, 'utf8'), new RegExp(line)), {
        withinMs: 5000,
      });
    }
    assert.deepEqual(originals(format, linesOf(readFileSync(options.path))), ['one', 'two']);
    await close();
  }
});

test('a line that comes in pieces is one line, and the last one is there without its newline', {
  skip,
}, async () => {
  await using world = await makeWorld();
  for (const format of formats) {
    const options = optionsFor(world, { format, path: world.path(`${format}.log`) });
    const { pump, program, close } = await startPump(options);
    writeSync(program, 'first\nsec');
    await until(() => assert.match(readFileSync(options.path, 'utf8'), /first/), { withinMs: 5000 });
    writeSync(program, 'ond\nthi');
    await until(() => assert.match(readFileSync(options.path, 'utf8'), /second/), { withinMs: 5000 });
    await pump.drain();
    const text = readFileSync(options.path, 'utf8');
    const lines = format === 'as-is' ? text.split('\n') : text.trimEnd().split('\n');
    assert.deepEqual(originals(format, lines), ['first', 'second', 'thi']);
    // The next program begins a line of its own, where there are lines.
    writeSync(program, 'rd\n');
    await pump.drain();
    assert.match(
      readFileSync(options.path, 'utf8'),
      format === 'as-is' ? /third\n$/ : /thi"?\}?\n.*rd"?\}?\n$/,
    );
    await close();
  }
});

test('a line without an end is not held in memory, and comes out whole', { skip }, async () => {
  await using world = await makeWorld();
  const options = optionsFor(world, { format: 'timestamps' });
  const { pump, program, close } = await startPump(options);
  const piece = Buffer.alloc(50_000, 'x');
  for (let count = 0; count < 100; count += 1) {
    writeSync(program, piece);
    await pump.drain();
    if (count === 10) assert.ok(statSync(options.path).size > 100_000);
  }
  await close();
  const text = readFileSync(options.path, 'utf8');
  assert.equal(text.replaceAll(/[^x]/g, '').length, 100 * piece.length);
});

test('two streams of one program go into one log, each line with the name of its own', { skip }, async () => {
  await using world = await makeWorld();
  const options = optionsFor(world, { format: 'json-lines', streams: ['stdout', 'stderr'] });
  const { pump, program, close } = await startPump(options);
  const errors = openSync(fifoIn(world.folder, 'stderr'), 'r+');
  const expected: Record<string, string[]> = { stdout: [], stderr: [] };
  for (let line = 0; line < 100; line += 1) {
    for (const [stream, descriptor] of [
      ['stdout', program],
      ['stderr', errors],
    ] as const) {
      // Half a line each, so that they would mix if they could.
      writeSync(descriptor, line % 2 === 0 ? `${line} ` : `${line}\n`);
      if (line % 2 === 1) expected[stream]!.push(`${line - 1} ${line}`);
    }
  }
  await pump.drain();
  const objects = linesOf(readFileSync(options.path)).map(
    (line) => JSON.parse(line) as { time: string; stream: string; text: string },
  );
  for (const stream of ['stdout', 'stderr'])
    assert.deepEqual(
      objects.filter((object) => object.stream === stream).map(({ text }) => text),
      expected[stream],
    );
  assert.ok(objects.every(({ time }) => new RegExp(`^${TIME}$`).test(time)));
  await close();
  closeSync(errors);
});

for (const format of formats) {
  test(`${format}: while the disk is full the program waits, and then nothing is missing`, {
    skip: skip || needsMount('tmpfs'),
  }, async () => {
    await using world = await makeWorld();
    using image = mountImage(world, 'tmpfs', 12);
    const path = join(image.folder, 'web.log');
    const filler = join(image.folder, 'filler');
    const options = optionsFor(world, { format, path, rotation: policy({ maxBytes: 200_000 }) });
    const { pump, notices, program, close } = await startPump(options);
    writeFileSync(filler, Buffer.alloc(8_000_000));
    const writer = startWriter(world, program);
    await until(() => assert.equal(notices.at(-1)?.name, 'trouble'), { withinMs: 30_000 });
    const full = wholeLog(path);
    const trouble = notices.find((notice) => notice.name === 'trouble')!;
    assert.match(trouble.reason, /^cannot write log .*: no space left on device \(ENOSPC\)$/);
    // Drained, it is not: what has no room stays where it is, and is told once.
    await pump.drain();
    assert.ok(wholeLog(path).equals(full));
    assert.equal(notices.filter(({ name }) => name === 'trouble').length, 1);
    assert.equal(writer.exitCode, null);
    const stopped = stopWriter(writer);
    rmSync(filler);
    const lines = await stopped;
    await until(() => assert.equal(notices.filter(({ name }) => name === 'trouble-over').length, 1), {
      withinMs: 30_000,
    });
    await pump.drain();
    assert.ok(wholeLog(path).subarray(0, full.length).equals(full), 'what was written is there');
    assertNumbered(originals(format, linesOf(wholeLog(path))), lines);
    await close();
  });
}

test('a log that cannot be rotated grows, is told once, and is rotated when it can be', {
  skip,
}, async () => {
  await using world = await makeWorld();
  const options = optionsFor(world, { rotation: policy({ maxBytes: 1000, backups: 1 }) });
  // A folder in the place of the backup.
  const { pump, notices, program, close } = await startPump(options);
  const blocker = `${options.path}.1`;
  mkdirSync(join(blocker, 'x'), { recursive: true });
  for (let round = 0; round < 5; round += 1) {
    writeSync(program, 'x'.repeat(1000));
    await pump.drain();
  }
  assert.equal(statSync(options.path).size, 5000);
  assert.deepEqual(
    notices.map(({ name }) => name),
    ['trouble'],
  );
  rmSync(blocker, { recursive: true });
  await until(
    async () => {
      writeSync(program, 'y');
      await pump.drain();
      assert.ok(statSync(blocker).isFile());
    },
    { withinMs: 10_000 },
  );
  assert.deepEqual(
    notices.map(({ name }) => name),
    ['trouble', 'rotated', 'trouble-over'],
  );
  await close();
});

test('after an outside rename the log goes on under its name when it is told to reopen', {
  skip,
}, async () => {
  await using world = await makeWorld();
  const options = optionsFor(world);
  const { pump, program, close } = await startPump(options);
  writeSync(program, 'before\n');
  await pump.drain();
  renameSync(options.path, `${options.path}.old`);
  writeSync(program, 'between\n');
  await pump.drain();
  await pump.reopen();
  writeSync(program, 'after\n');
  await pump.drain();
  assert.equal(readFileSync(`${options.path}.old`, 'utf8'), 'before\nbetween\n');
  assert.equal(readFileSync(options.path, 'utf8'), 'after\n');
  assert.equal(statSync(options.path).mode, statSync(`${options.path}.old`).mode);
  // copytruncate needs no telling.
  writeFileSync(options.path, '');
  writeSync(program, 'truncated\n');
  await pump.drain();
  assert.equal(readFileSync(options.path, 'utf8'), 'truncated\n');
  await close();
});

test('a log is rotated when it is too old, and not while it is empty', { skip }, async () => {
  await using world = await makeWorld();
  const options = optionsFor(world, { rotation: policy({ maxAgeMs: 50 }) });
  const { pump, notices, program, close } = await startPump(options);
  for (const line of ['one\n', 'two\n']) {
    writeSync(program, line);
    await pump.drain();
    await until(() => assert.equal(statSync(options.path).size, 0), { withinMs: 10_000 });
  }
  assert.equal(notices.length, 2);
  assert.deepEqual(
    backupsOf(options.path).map((file) => readFileSync(file, 'utf8')),
    ['one\n', 'two\n'],
  );
  await close();
});

test('what others append to the log stays, also when the one who pumps is killed', { skip }, async () => {
  await using world = await makeWorld();
  const options = optionsFor(world, { format: 'timestamps' });
  const program = openSync(fifoIn(options.folder, 'stdout'), 'r+');
  const keeper = startKeeper(world, ['fifo', JSON.stringify(options)]);
  await keeper.up;
  // Half a line, which is held back in the spool.
  writeSync(program, 'one\ntw');
  await until(() => assert.match(readFileSync(options.path, 'utf8'), /one\n$/), { withinMs: 5000 });
  appendFileSync(options.path, 'a note by hand\n');
  await killKeeper(keeper);
  const { pump, close } = await startPump(options);
  writeSync(program, 'o\n');
  await pump.drain();
  await close();
  assert.match(
    readFileSync(options.path, 'utf8'),
    new RegExp(`^${TIME} one\na note by hand\n${TIME} two\n$`),
  );
  closeSync(program);
});

test('lines that a killed run has left in its spool are in the log of the next, whatever its format', {
  skip,
}, async () => {
  await using world = await makeWorld();
  const options = optionsFor(world, { format: 'json-lines' });
  const program = openSync(fifoIn(options.folder, 'stdout'), 'r+');
  const keeper = startKeeper(world, ['fifo', JSON.stringify(options)]);
  await keeper.up;
  writeSync(program, 'one\ntwo, half');
  await until(() => assert.match(readFileSync(options.path, 'utf8'), /one/), { withinMs: 5000 });
  await killKeeper(keeper);
  const { pump, close } = await startPump({ ...options, format: 'as-is' });
  writeSync(program, ' and half\n');
  await pump.drain();
  await close();
  // Killed between the first line and the record of it, that is made anew too.
  assert.match(readFileSync(options.path, 'utf8'), /^(?:\{.*"one"\}|one)\ntwo, half and half\n$/);
  assertTidy(options.folder);
  closeSync(program);
});

test('a disposed pump leaves no thread behind that would keep its process alive', { skip }, async () => {
  await using world = await makeWorld();
  const options = optionsFor(world);
  const script = `
    import { LogPump } from ${JSON.stringify(new URL('../../src/os/log-fifo.js', import.meta.url).href)};
    const pump = new LogPump({ ...${JSON.stringify(options)}, report() {} });
    await pump.begin();
    await pump[Symbol.asyncDispose]();
    console.log('disposed');`;
  const child = world.start([process.execPath, '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  assert.equal(code, 0);
});

test('a file in the place of the FIFO is not touched, and told', { skip }, async () => {
  await using world = await makeWorld();
  const options = optionsFor(world);
  writeFileSync(join(options.folder, 'stdout.fifo'), 'mine');
  await assert.rejects(
    startPump(options),
    /^SystemError: cannot make FIFO .*stdout\.fifo: file exists \(EEXIST\)$/,
  );
  assert.equal(readFileSync(join(options.folder, 'stdout.fifo'), 'utf8'), 'mine');
  assert.deepEqual(readdirSync(dirname(options.path)), []);
});

// `tsdaemon ctl` promises to be supervisorctl: here both run against the real supervisord, and every difference that
// the manual does not name is a failure. Lines that change something run on two servers with the same history.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { command } from '../support/package-root.js';
import { openPty, type Pty } from '../support/pty.js';
import {
  linkSupervisorctl,
  RealSupervisor,
  realSupervisorctl,
  serverSections,
} from '../support/supervisord.js';
import { needs, needsLinux } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type Outcome, type World } from '../support/world.js';

const skip = needsLinux || needs('/usr/bin/supervisorctl', '/usr/bin/supervisord');
const skipTerminal = skip || needs('script');

const programs = `
[program:web]
command=sleep 1000
startsecs=0
[program:talk]
command=sh -c 'echo hello; echo oops >&2; exec cat'
startsecs=0
[program:quick]
command=sh -c 'exit 1'
autostart=false
startretries=0
[program:absent]
command=/nonexistent
autostart=false
[program:noexec]
command=/etc/passwd
autostart=false
[program:nolog]
command=sleep 1000
startsecs=0
stdout_logfile=NONE
stderr_logfile=NONE
[program:pool]
command=sleep 1000
startsecs=0
numprocs=2
process_name=%(program_name)s_%(process_num)02d
[group:duo]
programs=one,two
priority=5
[program:one]
command=sleep 1000
startsecs=0
[program:two]
command=sleep 1000
startsecs=0
autostart=false
`;
const changed = `${programs.replace('[program:web]\ncommand=sleep 1000', '[program:web]\ncommand=sleep 2000').replace(/\[program:absent\][\s\S]*?false\n/, '')}
[program:late]
command=sleep 1000
startsecs=0
[program:later]
command=sleep 1000
startsecs=0
autostart=false
`;

type Step = string | (() => void);

/** A server and the client that talks to it. */
interface Side {
  readonly server: RealSupervisor;
  readonly client: string;
}

let world: World;
let link: string;
let theirs: Side;
let ours: Side;

before(async () => {
  if (skip) return;
  world = await makeWorld();
  link = linkSupervisorctl(world);
  theirs = { server: new RealSupervisor(world, 'a'), client: realSupervisorctl };
  ours = { server: new RealSupervisor(world, 'b'), client: link };
  for (const { server } of [theirs, ours]) server.configure(programs);
  await Promise.all([theirs.server.start(), ours.server.start()]);
});

after(async () => {
  if (skip) return;
  await Promise.all([theirs.server.shutDown(), ours.server.shutDown()]);
  await world[Symbol.asyncDispose]();
});

/** What differs from one server or minute to the next, and what the manual says is different. */
function normalize(text: string): string {
  return text
    .replaceAll(theirs.server.folder, 'FOLDER')
    .replaceAll(ours.server.folder, 'FOLDER')
    .replaceAll(/pid \d+, uptime \d+:\d\d:\d\d/g, 'pid N, uptime T')
    .replaceAll(/[A-Z][a-z]{2} \d\d \d\d:\d\d [AP]M/g, 'DATE')
    .replaceAll(/^(supervisor> )?[1-9]\d*$/gm, '$1PID')
    .replaceAll(/(error: <class .*?)(?:: (?:file: .* line: \d+|unix:\/\/.*|http:\/\/.*))?$/gm, '$1')
    .replaceAll(realSupervisorctl, 'SUPERVISORCTL')
    .replaceAll(link, 'SUPERVISORCTL');
}

/** The order in which the members of a group end is chance. */
const sorted = (text: string): string => text.split('\n').sort().join('\n');

const seen = ({ code, stdout, stderr }: Outcome) => ({
  code,
  stdout: normalize(stdout),
  stderr: normalize(stderr),
});

const words = (line: string): string[] => line.split(' ').filter((word) => word !== '');

/** Both clients, each with its own server. */
async function both(line: string, input = ''): Promise<[Outcome, Outcome]> {
  return Promise.all(
    [theirs, ours].map(({ server, client }) => server.ask(client, words(line), { input })),
  ) as Promise<[Outcome, Outcome]>;
}

async function compare(line: string, input = ''): Promise<void> {
  const [expected, found] = (await both(line, input)).map(seen);
  const isGroup = /\b(all|\S+:\*?)(\s|$)/.test(line) && !line.startsWith('status');
  // The exit code is that of the last failure.
  const shape = ({ code, stdout, ...rest }: NonNullable<typeof found>): object =>
    isGroup ? { ...rest, isFine: code === 0, stdout: sorted(stdout) } : { ...rest, code, stdout };
  assert.deepEqual(shape(found!), shape(expected!), `supervisorctl ${line}`);
}

const looking = [
  'status',
  'status all',
  'status web',
  'status pool:*',
  'status pool:pool_01 web',
  'status nope',
  'status nope:*',
  'status web nope x:* duo:one',
  'status duo:two web',
  'avail',
  'pid',
  'pid all',
  'pid web duo:two',
  'pid nope web',
  'pid pool:*',
  'version',
  'tail talk',
  'tail talk stderr',
  'tail -3 talk',
  'tail -0 talk',
  'tail talk STDOUT',
  'tail nolog',
  'tail nope',
  'tail pool:*',
  'tail -f nope',
  'tail -f nolog stderr',
  'maintail -0x',
  'open unix:///no/such/socket',
];
for (const line of looking) test(`the same is seen by '${line}'`, { skip }, () => compare(line));

const mistakes = [
  'nope',
  'Status',
  '!ls',
  '-- -x',
  'status:web',
  'start',
  'stop',
  'restart',
  'signal',
  'signal HUP',
  'clear',
  'tail',
  'tail a b c d',
  'tail -f',
  'tail -x web',
  'tail web stdin',
  "tail web it's",
  'tail -99999999999 web',
  'maintail a',
  'maintail -x',
  'maintail a b',
  'fg',
  'fg web talk',
  'fg nope',
  'fg duo:two',
  'avail x',
  'reread x',
  'reload x',
  'shutdown x',
  'version x',
  'open',
  'open nonsense',
  'open ftp://x',
  'open http:/x',
];
for (const line of mistakes) test(`the same is said of the mistake '${line}'`, { skip }, () => compare(line));

test('the help is the same, topic by topic', { skip }, async () => {
  for (const topic of [
    '',
    ...'add avail clear exit fg help maintail open pid quit reload remove reread restart shutdown'.split(' '),
    ...'signal start status stop tail update version EOF nope'.split(' '),
  ])
    await compare(`help ${topic}`);
  await compare('? tail');
  await compare('quit');
  await compare('exit now');
});

/** Each goes on where the one before it has stopped. */
const history: readonly Step[] = [
  'start web',
  'start two',
  'start duo:two',
  'stop web',
  'stop web',
  'start web nope absent noexec quick',
  'start nope:*',
  'start web nope:*',
  'start quick',
  'stop pool:*',
  'stop pool:*',
  'start pool:pool_00',
  'start pool:',
  'stop nope',
  'stop nope:*',
  'stop web nope duo:*',
  'start duo:* web',
  'restart web',
  'restart pool:*',
  'restart nope',
  'restart absent web',
  'signal HUP nope',
  'signal HUP nope:*',
  'signal FOO web',
  'signal FOO pool:*',
  'signal 0 web',
  'signal SIGCONT web pool:*',
  'signal CONT quick web',
  'signal CONT all',
  'clear talk',
  'tail talk',
  'clear nope',
  'clear pool:*',
  'clear web quick',
  'clear all',
  'stop all',
  'stop all',
  'status',
  'start pool:* web talk nolog duo:*',
  'add web',
  'add nope web',
  'add',
  'remove web',
  'remove nope',
  'remove',
  'reread',
  'update',
  () => configureBoth(changed),
  'reread',
  'avail',
  'update late nope',
  'status',
  'update',
  'reread',
  'update all',
  'status',
  'add late',
  'stop late',
  'remove late',
  'add late nope',
  'status late',
  () => configureBoth('[program:x]\n'),
  'reread',
  'update',
  () => configureBoth('nonsense\n'),
  '-c client.conf reread',
  '-c client.conf update',
  () => configureBoth(programs),
  'update nope',
  'update',
  'status',
  'start all',
];

function configureBoth(text: string): void {
  for (const { server } of [theirs, ours]) server.configure(text);
}

test('two servers that are told the same answer the same', { skip }, async (t) => {
  for (const step of history)
    if (typeof step === 'string') await t.test(step, () => compare(step));
    else step();
});

const unreachable = [
  'status',
  'pid',
  'version',
  'start web',
  'tail web',
  'fg web',
  'avail',
  'reread',
  'update',
].concat(['add web', 'remove web', 'shutdown', 'reload', 'clear all', 'signal HUP web', 'open unix:///nope']);
test('without a server the same is said, and the exit code is the same', { skip }, async () => {
  for (const line of unreachable)
    for (const url of [
      'unix:///no/such/socket',
      'http://127.0.0.1:1',
      'unix:///etc/passwd',
      'ftp://x',
      'http:/x',
    ])
      await compare(`-s ${url} ${line}`);
});

const optionLines = [
  '-x',
  '--nope status',
  '--he',
  '-h',
  '-?',
  '-c',
  '-c nope status',
  '-c /etc status',
  '-c /dev/null status',
  '-s nonsense status',
  '-s http:// status',
  '-i -i status',
  '-u a --user b status',
  '--serverurl',
  '--help=1',
  '--i=1 x',
  '-c supervisord.conf pid',
  '-csupervisord.conf pid',
  '--conf=supervisord.conf -- pid',
  '-s http://127.0.0.1:none pid',
  '-s http://127.0.0.1:99999 pid',
];
test('options are understood, or refused, in the same way', { skip }, async () => {
  for (const line of optionLines) await compare(line);
});

test('a shell that reads a pipe answers line by line, and asks before it does harm', { skip }, async () => {
  const lines = [
    'version',
    'pid web',
    '',
    'nope',
    'help add',
    'shutdown',
    'n',
    'reload',
    'no',
    'tail -f nope',
  ];
  await compare('', `${lines.join('\n')}\n`);
  await compare('', 'pid web\nquit\nversion\n');
  await compare('', 'pid web\nshutdown');
  await compare('-i shutdown', 'n\n');
  await compare('-i', 'version\n');
});

test('a server with a password is asked with it, or not at all', { skip }, async () => {
  const port = await freePort();
  const sections = serverSections.replace(
    '[unix_http_server]',
    `[inet_http_server]\nport=127.0.0.1:${port}\nusername=me\npassword=secret\n[unix_http_server]`,
  );
  const server = new RealSupervisor(world, 'c');
  server.configure(programs, sections);
  await server.start();
  const url = `http://127.0.0.1:${port}`;
  for (const line of [
    `-s ${url} pid web`,
    `-s ${url} reread`,
    `-s ${url} -u me -p wrong status`,
    `-s ${url} -u me -p secret status`,
    `-s ${url} -u me -p secret tail -f nope`,
    `-s ${url} -u me status`,
  ]) {
    const [expected, found] = await Promise.all(
      [realSupervisorctl, link].map((client) => server.ask(client, words(line))),
    );
    assert.deepEqual(seen(found!), seen(expected!), line);
  }
  await server.shutDown();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('tail -f shows what is added until Ctrl-C, and exits with 0', { skip }, async () => {
  const { server } = ours;
  const follow = (client: string) => {
    const child = world.start([client, 'tail', '-f', 'talk'], { cwd: server.folder });
    const shown = { text: '' };
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      shown.text += text;
    });
    return { child, shown, ended: once(child, 'close') };
  };
  const followers = [realSupervisorctl, link].map(follow);
  const showAll = (line: string): Promise<void> =>
    until(
      () => {
        for (const { shown } of followers) assert.ok(shown.text.includes(line), shown.text);
      },
      { withinMs: 10_000 },
    );
  await showAll('Press Ctrl-C');
  // The log was cleared before; what fg sends is the first line in it, or comes after all that they have shown.
  await server.ask(link, ['fg', 'talk'], { input: 'added\n' });
  await showAll('added\n');
  for (const { child } of followers) child.kill('SIGINT');
  const codes = await Promise.all(followers.map(async ({ ended }) => (await ended)[0] as number));
  assert.deepEqual(codes, [0, 0]);
  assert.equal(followers[1]!.shown.text, followers[0]!.shown.text);
});

test('fg ends at once when its input does', { skip }, async () => {
  const outcome = await ours.server.ask(link, ['fg', 'talk'], { input: 'once more\n', withinMs: 10_000 });
  assert.equal(outcome.code, 0);
  assert.match(outcome.stdout, /^==> Press Ctrl-C to exit <==\n[\s\S]*Exiting foreground\n$/);
});

test('with --json every action prints one array, and exits the same', { skip }, async () => {
  const ask = async (...line: string[]): Promise<[unknown, number | null]> => {
    const { stdout, stderr, code } = await ours.server.ask(command, ['ctl', '--json', ...line]);
    assert.equal(stderr, '');
    return [JSON.parse(stdout), code];
  };
  assert.deepEqual(await ask('start', 'web', 'nope'), [
    [
      {
        group: 'web',
        name: 'web',
        error: { code: 'ALREADY_STARTED', fault: 60, text: 'already started' },
      },
      { group: 'nope', name: 'nope', error: { code: 'BAD_NAME', fault: 10, text: 'no such process' } },
    ],
    1,
  ]);
  const [[info], code] = (await ask('status', 'web')) as [[Record<string, unknown>], number];
  assert.deepEqual([info.name, info.statename, code], ['web', 'RUNNING', 0]);
  assert.deepEqual(await ask('-s', 'unix:///nope', 'version'), [
    [{ error: { code: 'ENOENT', text: 'unix:///nope no such file' } }],
    7,
  ]);
  assert.deepEqual(await ask('nope'), [[{ error: { code: 'UNKNOWN_ACTION', text: 'nope' } }], 1]);
  for (const line of [
    'avail',
    'pid',
    'pid all',
    'version',
    'help',
    'reread',
    'update',
    'signal 0 web',
    'clear web',
  ].concat([
    'tail talk',
    'maintail',
    'quit',
    'open x',
    'add web',
    'remove web',
    'fg nope',
    'reload x',
    'shutdown x',
  ])) {
    const [results] = await ask(...words(line));
    assert.ok(Array.isArray(results), line);
  }
  const refused = await ours.server.ask(command, ['ctl', '--json']);
  assert.equal(refused.code, 2);
  const unread = await ours.server.ask(command, ['ctl', '--json', '-c', 'nope.conf', 'status']);
  assert.deepEqual(
    [JSON.parse(unread.stdout), unread.code],
    [{ error: { code: 'TSD_CONFIG', message: 'could not find config file nope.conf' } }, 2],
  );
});

/** What stays on the screen: without colours, cursor movements and the blanks they hide. */
const onScreen = ({ output }: Pty): string =>
  normalize(
    output
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a terminal is told with
      .replaceAll(/\u001b\[[0-9;?]*[A-Za-z]|[\r\u0007\u0000]/g, '')
      .replaceAll(/ +$/gm, ''),
  );

/** Types the same into both shells, each text when both have answered the one before it. */
async function typeIntoBoth(
  dialogue: readonly (readonly [typed: string, answered: RegExp])[],
  args = '',
): Promise<[string, string]> {
  const shells = [theirs, ours].map(({ client, server }) =>
    openPty(world, `exec ${client} ${args}`, { cwd: server.folder, env: { TERM: 'vt100' } }),
  );
  try {
    for (const shell of shells) await shell.shows(/supervisor> [^\n]*$/);
    for (const [typed, answered] of dialogue)
      for (const shell of shells) {
        const start = shell.output.length;
        shell.type(typed);
        await until(() => assert.match(shell.output.slice(start), answered), { withinMs: 10_000 });
      }
    for (const shell of shells) assert.equal(await shell.exited, 0);
  } finally {
    for (const shell of shells) await shell.hangUp();
  }
  return shells.map(onScreen) as [string, string];
}

test('on a terminal both shells show the same', { skip: skipTerminal }, async () => {
  const prompt = /supervisor> [^\n]*$/;
  const [expected, found] = await typeIntoBoth([
    ['version\r', prompt],
    ['pid nope\r', prompt],
    ['shutdown\r', /y\/N\? [^\n]*$/],
    ['n\r', prompt],
    ['maintail -f\r', /Press Ctrl-C[\s\S]*INFO/],
    ['\u0003', prompt],
    ['quit\r', /quit/],
  ]);
  const withoutLogs = (text: string): string =>
    text.replaceAll(/(Press Ctrl-C to exit <==\n)[\s\S]*?(?=\^C|Exiting|supervisor>)/g, '$1');
  assert.equal(withoutLogs(found), withoutLogs(expected));
});

test('Ctrl-C and Ctrl-D leave fg, and the shell goes on', { skip: skipTerminal }, async () => {
  const shell = openPty(world, `exec ${link}`, { cwd: ours.server.folder, env: { TERM: 'vt100' } });
  for (const key of ['\u0003', '\u0004']) {
    await shell.shows(/supervisor> [^\n]*$/);
    shell.type('fg talk\r');
    await shell.shows(/Press Ctrl-C to exit <==[^>]*$/);
    shell.type('typed\r');
    // What is typed ahead counts as well.
    shell.type(key);
    await shell.shows(/Press Ctrl-C to exit <==[^>]*Exiting foreground[^>]*supervisor> [^\n]*$/);
  }
  shell.type('quit\r');
  assert.equal(await shell.exited, 0);
});

test('Tab completes actions and names', { skip: skipTerminal }, async () => {
  const [expected, found] = await typeIntoBoth([
    ['vers\t', /version /],
    ['\r', /supervisor> [^\n]*$/],
    ['status we\t', /web /],
    ['\r', /RUNNING[\s\S]*supervisor> [^\n]*$/],
    ['status po\t', /ol:/],
    ['pool_00\r', /RUNNING[\s\S]*supervisor> [^\n]*$/],
    ['\u0004', /\n/],
  ]);
  assert.equal(found.replaceAll(/\n+/g, '\n'), expected.replaceAll(/\n+/g, '\n'));
});

test('the shell remembers its lines in the history file, but no password', {
  skip: skipTerminal,
}, async () => {
  const sections = serverSections
    .replace('[unix_http_server]', '[unix_http_server]\nusername=me\npassword=secret')
    .replace('[supervisorctl]', '[supervisorctl]\nhistory_file=%(here)s/lines');
  const server = new RealSupervisor(world, 'd');
  server.configure('', sections);
  await server.start();
  const shell = openPty(world, `exec ${link}`, { cwd: server.folder, env: { TERM: 'vt100' } });
  await shell.shows(/Username:/);
  shell.type('me\r');
  await shell.shows(/Password:/);
  shell.type('secret\r');
  await shell.shows(/supervisor> [^\n]*$/);
  shell.type('version\r');
  await shell.shows(/4\.\d[\s\S]*supervisor> [^\n]*$/);
  shell.type('quit\r');
  assert.equal(await shell.exited, 0);
  assert.doesNotMatch(shell.output, /secret/);
  const lines = world.read(join('d', 'lines')).split('\n');
  assert.deepEqual(lines, ['me', 'version', 'quit', '']);
  await server.shutDown('-u', 'me', '-p', 'secret');
});

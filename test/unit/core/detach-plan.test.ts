import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type DetachStep,
  describeStep,
  type LauncherFacts,
  planDetach,
} from '../../../src/core/detach-plan.js';
import type { ServiceSpec, Sink } from '../../../src/spec/service-spec.js';
import { anyService } from '../../support/any-service.js';

type StepName = DetachStep['name'];

const file = (path: string): Sink => ({ kind: 'file', path, open: 'append', rotation: null, lines: null });

/** A plain command: nothing asked for but to be detached. */
const PLAIN: ServiceSpec = {
  ...anyService(),
  command: { argv: ['sleep', '300'], cwd: null, env: [], umask: null, nice: null, limits: [] },
  user: null,
  stdio: { stdout: file('/log/out'), stderr: 'as-stdout' },
  detach: { pidfile: null, hangup: 'ignore', keepFds: [], watchdogPidfile: null },
};

/** A launcher that may leave its session at once. */
const FREE: LauncherFacts = {
  pid: 70,
  processGroup: 60,
  session: 50,
  parentGroup: 60,
  callerOpenFiles: null,
};

const names = (spec: ServiceSpec, facts: LauncherFacts): StepName[] =>
  planDetach(spec, facts).map(({ name }) => name);
const command = (part: Partial<ServiceSpec['command']>) => (spec: ServiceSpec) => ({
  ...spec,
  command: { ...spec.command, ...part },
});

/** Each field that can be asked for, and the one step that it adds. */
const fields: readonly (readonly [change: (spec: ServiceSpec) => ServiceSpec, step: DetachStep])[] = [
  [command({ cwd: '/srv' }), { name: 'change-directory', path: '/srv' }],
  [command({ umask: 0o27 }), { name: 'set-umask', umask: 0o27 }],
  [command({ nice: -5 }), { name: 'set-nice', nice: -5 }],
  [
    (spec) => ({ ...spec, user: { user: 'www', group: null } }),
    { name: 'take-user', user: { user: 'www', group: null } },
  ],
  [
    (spec) => ({ ...spec, stdio: { ...spec.stdio, stderr: file('/log/err') } }),
    { name: 'open-stderr', sink: file('/log/err') },
  ],
  [
    (spec) => ({ ...spec, detach: { ...spec.detach, pidfile: '/run/web.pid' } }),
    { name: 'write-pidfile', path: '/run/web.pid' },
  ],
];

/** Which step stands before which, and what would go wrong otherwise. */
const orders: readonly (readonly [first: StepName, then: StepName, reason: string])[] = [
  ['join-group', 'leave-session', 'setsid is refused to a group leader'],
  ['leave-session', 'take-lock', 'a hangup must not end a launcher that holds the lock'],
  ['take-lock', 'write-intent', 'another start could write its own in between'],
  ['write-intent', 'spawn', 'a launcher killed half-way must leave a trace'],
  ['write-intent', 'open-stdout', 'a refused start changes no log'],
  ['set-hangup', 'spawn', 'only what is ignored before exec is ignored after it'],
  ['write-intent', 'take-user', 'the state directory is the launcher\u2019s'],
  ['take-user', 'open-stdout', 'the log is the user\u2019s, and root follows no link into it'],
  ['take-user', 'open-stderr', 'the log is the user\u2019s'],
  ['take-user', 'change-directory', 'the directory must be one that the user may enter'],
  ['open-stdout', 'open-stderr', 'the first two files are 1 and 2'],
  ['open-stdout', 'change-directory', 'a working directory that is not there is told after the log was'],
  ['open-stdout', 'set-umask', 'the mask is the program\u2019s, not the log\u2019s'],
  ['open-stderr', 'set-umask', 'the mask is the program\u2019s, not the log\u2019s'],
  ['leave-session', 'set-nice', 'setsid makes a new autogroup'],
  ['open-stderr', 'restore-open-files', 'a small limit leaves no room to open anything'],
  ['change-directory', 'close-descriptors', 'nothing is opened after it'],
  ['open-stderr', 'close-descriptors', 'what was opened is marked too'],
  ['close-descriptors', 'spawn', 'what is not closed leaks into the program'],
  ['set-umask', 'spawn', 'the program inherits it'],
  ['set-nice', 'spawn', 'the program inherits it'],
  ['restore-open-files', 'spawn', 'the program inherits it'],
  ['spawn', 'write-pidfile', 'the pid is not known before'],
  ['spawn', 'write-record', 'the pid is not known before'],
  ['write-pidfile', 'write-record', 'a record that says running promises a pidfile'],
];

/** Every combination of the fields, as a spec and the steps that it asked for. */
function* everySpec(): Generator<readonly [spec: ServiceSpec, asked: readonly DetachStep[]]> {
  for (let bits = 0; bits < 2 ** fields.length; bits += 1) {
    const chosen = fields.filter((_, index) => (bits >> index) & 1);
    yield [chosen.reduce((spec, [change]) => change(spec), PLAIN), chosen.map(([, step]) => step)];
  }
}

const launchers: readonly (readonly [
  promise: string,
  facts: LauncherFacts,
  leaving: readonly DetachStep[],
])[] = [
  ['a member of a group leaves at once', FREE, [{ name: 'leave-session' }]],
  [
    'a member leaves at once, whoever its parent is',
    { ...FREE, parentGroup: null },
    [{ name: 'leave-session' }],
  ],
  [
    'a member of the session leader\u2019s own group leaves at once',
    { ...FREE, processGroup: 50, parentGroup: 50 },
    [{ name: 'leave-session' }],
  ],
  [
    'a group leader steps into its parent\u2019s group first',
    { ...FREE, processGroup: 70, parentGroup: 55 },
    [{ name: 'join-group', group: 55 }, { name: 'leave-session' }],
  ],
  [
    'a group leader with a parent elsewhere needs a copy',
    { ...FREE, processGroup: 70, parentGroup: null },
    [{ name: 'copy-launcher' }],
  ],
  [
    'a session leader needs a copy',
    { ...FREE, processGroup: 70, session: 70, parentGroup: null },
    [{ name: 'copy-launcher' }],
  ],
  [
    'a session leader may not step into any group',
    { ...FREE, processGroup: 70, session: 70, parentGroup: 55 },
    [{ name: 'copy-launcher' }],
  ],
];

const isLeaving = ({ name }: DetachStep): boolean =>
  name === 'copy-launcher' || name === 'join-group' || name === 'leave-session';

for (const [promise, facts, leaving] of launchers)
  test(`leaving: ${promise}`, () => {
    const steps = planDetach(PLAIN, facts);
    assert.deepEqual(steps.slice(0, leaving.length), leaving);
    assert.deepEqual(steps.filter(isLeaving), leaving, 'and no other step of leaving stands elsewhere');
    assert.deepEqual(
      steps.slice(leaving.length),
      planDetach(PLAIN, FREE).slice(1),
      'the rest is the same for all',
    );
  });

test('a plain command is detached with these steps and no other', () => {
  assert.deepEqual(planDetach(PLAIN, FREE), [
    { name: 'leave-session' },
    { name: 'take-lock', pidfile: null },
    { name: 'write-intent', service: 'web' },
    { name: 'set-hangup', hangup: 'ignore' },
    { name: 'open-stdout', sink: file('/log/out') },
    { name: 'close-descriptors', keep: [] },
    { name: 'spawn', argv: ['sleep', '300'], limits: [] },
    { name: 'write-record', service: 'web' },
  ]);
});

for (const [change, step] of fields)
  test(`a field that is asked for adds its step: ${step.name}`, () => {
    const without = names(PLAIN, FREE);
    const steps = planDetach(change(PLAIN), FREE);
    assert.deepEqual(
      steps.filter(({ name }) => !without.includes(name)),
      [step],
    );
  });

test('zero is asked for like any other number', () => {
  const steps = planDetach(command({ umask: 0, nice: 0 })(PLAIN), { ...FREE, callerOpenFiles: 0 });
  for (const step of [
    { name: 'set-umask', umask: 0 },
    { name: 'set-nice', nice: 0 },
    { name: 'restore-open-files', soft: 0 },
  ])
    assert.ok(
      steps.some((candidate) => JSON.stringify(candidate) === JSON.stringify(step)),
      step.name,
    );
});

test('the caller\u2019s limit of open files is given back where somebody noted it', () => {
  const steps = planDetach(PLAIN, { ...FREE, callerOpenFiles: 256 });
  assert.deepEqual(
    steps.filter(({ name }) => name === 'restore-open-files'),
    [{ name: 'restore-open-files', soft: 256 }],
  );
  assert.ok(!names(PLAIN, FREE).includes('restore-open-files'));
});

test('fields without a step of their own travel in one', () => {
  const limits = [{ resource: 'nofile', soft: 64, hard: 128 }];
  const spec: ServiceSpec = {
    ...command({ limits })(PLAIN),
    detach: { pidfile: '/run/web.pid', hangup: 'default', keepFds: [5, 7], watchdogPidfile: null },
  };
  const steps = planDetach(spec, FREE);
  const stepOf = (name: StepName): DetachStep | undefined => steps.find((step) => step.name === name);
  assert.deepEqual(stepOf('spawn'), { name: 'spawn', argv: ['sleep', '300'], limits });
  assert.deepEqual(stepOf('set-hangup'), { name: 'set-hangup', hangup: 'default' });
  assert.deepEqual(stepOf('close-descriptors'), { name: 'close-descriptors', keep: [5, 7] });
  assert.deepEqual(stepOf('take-lock'), { name: 'take-lock', pidfile: '/run/web.pid' });
});

test('whatever is asked for by whichever launcher, the order of the steps holds', () => {
  const used = new Set<string>();
  for (const [spec, asked] of everySpec())
    for (const [, facts] of launchers)
      for (const callerOpenFiles of [null, 1024]) {
        const steps = names(spec, { ...facts, callerOpenFiles });
        const told = `in ${steps.join(' ')}`;
        assert.equal(new Set(steps).size, steps.length, `a step stands twice ${told}`);
        assert.equal(steps.at(-1), 'write-record', told);
        for (const { name } of asked) assert.ok(steps.includes(name), `${name} is missing ${told}`);
        for (const [first, then, reason] of orders) {
          if (!steps.includes(first) || !steps.includes(then)) continue;
          used.add(`${first} ${then}`);
          assert.ok(
            steps.indexOf(first) < steps.indexOf(then),
            `${first} before ${then}, as ${reason}; ${told}`,
          );
        }
      }
  assert.equal(used.size, orders.length, 'an order that no plan ever shows is no order');
});

test('a better priority is taken before the user is changed, who would be refused it', () => {
  const spec = { ...command({ nice: -5 })(PLAIN), user: { user: 'www', group: null } };
  const steps = names(spec, FREE);
  assert.ok(steps.indexOf('set-nice') < steps.indexOf('take-user'), steps.join(' '));
});

test('a plan is made without touching what it is made from', () => {
  for (const part of [PLAIN, PLAIN.command, PLAIN.command.argv, PLAIN.stdio, PLAIN.detach, FREE])
    Object.freeze(part);
  assert.deepEqual(planDetach(PLAIN, FREE), planDetach(PLAIN, FREE));
});

const nohupOut: Sink = { kind: 'nohup-out', candidates: ['/w/nohup.out', '/h/nohup.out'], open: 'append' };

/** Each step and what must be seen of it; a step without a row does not compile. */
const shown: { readonly [N in StepName]: readonly (readonly [Extract<DetachStep, { name: N }>, RegExp])[] } =
  {
    'copy-launcher': [[{ name: 'copy-launcher' }, /^posix_spawn\(self\), setsid\(\)/]],
    'join-group': [[{ name: 'join-group', group: 55 }, /^setpgid\(0, 55\)$/]],
    'leave-session': [[{ name: 'leave-session' }, /^setsid\(\)$/]],
    'take-lock': [
      [{ name: 'take-lock', pidfile: null }, /^flock\(state directory, LOCK_EX\)$/],
      [{ name: 'take-lock', pidfile: '/run/web.pid' }, /flock\(.*\/run\/web\.pid.*LOCK_EX\)$/],
    ],
    'write-intent': [[{ name: 'write-intent', service: 'web' }, /web/]],
    'set-hangup': [
      [{ name: 'set-hangup', hangup: 'ignore' }, /^signal\(SIGHUP, SIG_IGN\)$/],
      [{ name: 'set-hangup', hangup: 'default' }, /^signal\(SIGHUP, SIG_DFL\)$/],
    ],
    'take-user': [
      [{ name: 'take-user', user: { user: 'www', group: null } }, /setgroups\(\).*\(www\)$/],
      [{ name: 'take-user', user: { user: 'www', group: 'adm' } }, /setgroups\(\).*\(www:adm\)$/],
    ],
    'open-stdout': [
      [{ name: 'open-stdout', sink: file('/log/out') }, /^open\(\/log\/out, append\)$/],
      [{ name: 'open-stdout', sink: nohupOut }, /^open\(\/w\/nohup\.out or \/h\/nohup\.out, append\)$/],
    ],
    'open-stderr': [
      [
        {
          name: 'open-stderr',
          sink: { kind: 'file', path: '/log/err', open: 'truncate', rotation: null, lines: null },
        },
        /^open\(\/log\/err, truncate\)$/,
      ],
    ],
    'set-umask': [
      [{ name: 'set-umask', umask: 0o27 }, /^umask\(0027\)$/],
      [{ name: 'set-umask', umask: 0 }, /^umask\(0000\)$/],
    ],
    'change-directory': [[{ name: 'change-directory', path: '/srv' }, /^chdir\(\/srv\)$/]],
    'set-nice': [[{ name: 'set-nice', nice: -5 }, /^setpriority\(.*-5\)$/]],
    'restore-open-files': [[{ name: 'restore-open-files', soft: 256 }, /^setrlimit\(RLIMIT_NOFILE, 256\)$/]],
    'close-descriptors': [
      [{ name: 'close-descriptors', keep: [] }, /^close_range\(3, .*\)$/],
      [{ name: 'close-descriptors', keep: [5, 7] }, /^close_range\(3, .*keep 5, 7$/],
    ],
    spawn: [
      [{ name: 'spawn', argv: ['sleep', '300'], limits: [] }, /^posix_spawn\(sleep 300\)$/],
      [
        { name: 'spawn', argv: ['sleep', '300'], limits: [{ resource: 'nofile', soft: 64, hard: 128 }] },
        /^posix_spawn\(sleep 300\), setrlimit\(nofile, 64, 128\)/,
      ],
    ],
    'write-pidfile': [[{ name: 'write-pidfile', path: '/run/web.pid' }, /\/run\/web\.pid/]],
    'write-record': [[{ name: 'write-record', service: 'web' }, /web/]],
  };

test('each step shows its system call with what it is called for, and a reason', () => {
  for (const [step, call] of Object.values(shown).flat()) {
    const description = describeStep(step);
    assert.match(description.call, call);
    assert.match(description.reason, /^[^A-Z\n][^\n]{4,}[^.\n]$|^Node /, step.name);
  }
});

test('what a step shows stays on one line and cannot steer the terminal', () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be shown
  const control = /[\x00-\x1f\x7f]/;
  const nasty = '/tmp/a\nb\x1b[2J';
  for (const step of [
    { name: 'spawn', argv: ['printf', 'a\nb\x1b[2J'], limits: [] },
    { name: 'change-directory', path: nasty },
    { name: 'open-stdout', sink: file(nasty) },
    { name: 'write-pidfile', path: nasty },
  ] satisfies DetachStep[])
    assert.doesNotMatch(describeStep(step).call, control, step.name);
});

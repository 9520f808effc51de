import assert from 'node:assert/strict';
import test from 'node:test';
import { readSupervisordConfig } from '../../../../src/formats/supervisord/read-config.js';
import { type SpecContext, toServiceSpec } from '../../../../src/formats/supervisord/to-service-spec.js';
import type { ServiceSpec } from '../../../../src/spec/service-spec.js';
import { sourceOf } from '../../../support/config-texts.js';

const context: SpecContext = {
  cwd: '/work',
  environment: ['PATH=/bin', 'A=0'],
  serverUrl: 'unix:///s',
  autoLogs: { stdout: '/tmp/auto-out', stderr: '/tmp/auto-err' },
};

const specOf = (...lines: readonly string[]): ServiceSpec => {
  const text = [
    '[supervisord]',
    'environment=A="1",B="1"',
    '[program:x]',
    'command=/bin/x -v',
    ...lines,
  ].join('\n');
  return toServiceSpec(readSupervisordConfig(sourceOf(text)).groups[0]!.processes[0]!, context);
};

test('a section of one line has the defaults of Supervisor', () => {
  const { name, command, user, stdio, start, stop, heartbeat } = specOf();
  assert.deepEqual(
    [name, command.argv, command.cwd, command.umask, user],
    ['x', ['/bin/x', '-v'], null, null, null],
  );
  assert.deepEqual(stdio, {
    stdout: { kind: 'file', path: '/tmp/auto-out', open: 'append', rotation: null, lines: null },
    stderr: { kind: 'file', path: '/tmp/auto-err', open: 'append', rotation: null, lines: null },
  });
  assert.deepEqual(start, { auto: true, readiness: 'stay-up', stayUpMs: 1000, timeoutMs: null });
  assert.deepEqual(stop, {
    signal: 'SIGTERM',
    graceMs: 10_000,
    reach: 'process',
    killReach: 'process',
    leftovers: 'spare',
  });
  assert.equal(heartbeat, null);
});

test('variables come from the supervisor, then its word to programs, then [supervisord], then the program', () => {
  assert.deepEqual(specOf('environment=B="2",SUPERVISOR_ENABLED="no"').command.env, [
    'PATH=/bin',
    'A=1',
    'SUPERVISOR_ENABLED=no',
    'SUPERVISOR_SERVER_URL=unix:///s',
    'SUPERVISOR_PROCESS_NAME=x',
    'SUPERVISOR_GROUP_NAME=x',
    'B=2',
  ]);
  assert.ok(specOf('serverurl=http://y').command.env.includes('SUPERVISOR_SERVER_URL=http://y'));
  assert.ok(
    !specOf('serverurl=').command.env.some((variable) => variable.startsWith('SUPERVISOR_SERVER_URL=')),
  );
});

test('a process of another name than its group is named by both', () => {
  assert.equal(specOf('process_name=y').name, 'x:y');
});

test('paths become absolute, and NONE is nowhere', () => {
  const { stdio, command } = specOf('stdout_logfile=a.log', 'stderr_logfile=NONE', 'directory=d');
  assert.deepEqual(stdio.stdout, {
    kind: 'file',
    path: '/work/a.log',
    open: 'append',
    rotation: null,
    lines: null,
  });
  assert.deepEqual(stdio.stderr, {
    kind: 'file',
    path: '/dev/null',
    open: 'append',
    rotation: null,
    lines: null,
  });
  assert.equal(command.cwd, '/work/d');
  assert.equal(specOf('redirect_stderr=true').stdio.stderr, 'as-stdout');
});

test('whom signals reach is asked of killmode first, then of stopasgroup and killasgroup', () => {
  const reaches = (...lines: readonly string[]): string[] => {
    const { reach, killReach, leftovers } = specOf(...lines).stop;
    return [reach, killReach, leftovers];
  };
  assert.deepEqual(reaches('killasgroup=true'), ['process', 'group', 'spare']);
  assert.deepEqual(reaches('stopasgroup=true'), ['group', 'group', 'spare']);
  assert.deepEqual(reaches('killmode=tree', 'stopasgroup=true'), ['tree', 'tree', 'stop']);
});

test('our keys about readiness and restarts are values of the same policy', () => {
  const { start, restart, heartbeat } = specOf(
    'ready=notify',
    'ready_timeout=5',
    'heartbeat=30',
    'startretries=-1',
    'backoff_factor=2',
    'backoff_max=60',
    'jitter=0.1',
  );
  assert.deepEqual(start, { auto: true, readiness: 'report', stayUpMs: 1000, timeoutMs: 5000 });
  const { retries, delayMs, backoffMs, backoffFactor, backoffMaxMs, jitter } = restart;
  assert.deepEqual(
    [retries, delayMs, backoffMs, backoffFactor, backoffMaxMs, jitter],
    [null, 1000, 0, 2, 60_000, 0.1],
  );
  assert.deepEqual(heartbeat, { everyMs: 30_000 });
  assert.equal(specOf('restart_delay=3').restart.delayMs, 3000);
  assert.equal(specOf('ready=exec').start.readiness, 'exec');
});

test('user, umask, limits and nice are handed on', () => {
  const { user, command } = specOf('user=web', 'umask=027', 'nice=5', 'limit=nofile=10');
  assert.deepEqual([user, command.umask, command.nice], [{ user: 'web', group: null }, 0o27, 5]);
  assert.deepEqual(command.limits, [{ resource: 'nofile', soft: 10, hard: 10 }]);
});

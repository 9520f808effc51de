// Whatever the manual shows is run, and its tables are those of the code.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { type Command, commands } from '../../src/cli/commands.js';
import type { DirectiveTable } from '../../src/formats/supervisord/directives.js';
import { sections } from '../../src/formats/supervisord/sections.js';
import { packageRoot } from '../support/package-root.js';
import { makeWorld } from '../support/world.js';

const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8');

interface Step {
  readonly command: string;
  readonly output: string;
}

/** The examples whose output is the same everywhere: one shell session per block. */
const sessions = [...readme.matchAll(/^```console\n([\s\S]*?)^```$/gm)].map(([, block]) => stepsOf(block!));

function stepsOf(block: string): Step[] {
  const steps: Step[] = [];
  for (const line of block.split('\n').slice(0, -1)) {
    if (line.startsWith('$ ')) steps.push({ command: line.slice(2), output: '' });
    else steps.push({ command: steps.at(-1)!.command, output: `${steps.pop()!.output}${line}\n` });
  }
  return steps;
}

test('the manual has examples to run', () => {
  assert.ok(sessions.length >= 5);
});

for (const steps of sessions) {
  test(`the manual's example prints what it shows: ${steps[0]!.command}`, () => {
    const home = mkdtempSync(join(tmpdir(), 'tsdaemon-readme-'));
    try {
      const bin = join(home, '.bin');
      mkdirSync(bin);
      symlinkSync(join(packageRoot, 'bin/tsdaemon.js'), join(bin, 'tsdaemon'));
      const MARK = '--- next ---';
      const script = `exec 2>&1\n${steps.map(({ command }) => `echo '${MARK}'\n${command}`).join('\n')}\n`;
      const env = { PATH: `${bin}:${process.env.PATH}`, HOME: home, TSDAEMON_HOME: join(home, '.state') };
      const options = { cwd: home, env, encoding: 'utf8', timeout: 30_000 } as const;
      const { stdout } = spawnSync('bash', ['-c', script], options);
      const outputs = stdout.split(`${MARK}\n`).slice(1);
      assert.deepEqual(
        steps.map(({ command }, index) => ({ command, output: outputs[index] })),
        steps,
      );
      const left = spawnSync('tsdaemon', ['list', '--json'], options).stdout;
      assert.doesNotMatch(left, /"state":"running"/, 'an example leaves nothing behind');
    } finally {
      rmSync(home, { recursive: true });
    }
  });
}

test('the plan in the manual is the one that is made', async () => {
  await using world = await makeWorld();
  const [, line, plan] = /^```text\n\$ (tsdaemon run --dry-run .*)\n([\s\S]*?)^```$/m.exec(readme)!;
  // The shell passes its soft limit on, which Node would raise.
  const { stdout } = await world.run(['sh', '-c', `ulimit -Sn 1024; ${line!}`]);
  assert.equal(stdout.replaceAll(world.cwd, '/srv'), plan);
});

for (const command of commands as readonly Command[]) {
  test(`the manual's table of ${command.name} is the one in the code`, () => {
    const section = new RegExp(`^### ${command.name}\\n([\\s\\S]*?)(?=^##)`, 'm').exec(readme)?.[1] ?? '';
    const usage = [
      'tsdaemon',
      command.name,
      command.flags.length === 0 ? '' : '[options]',
      command.operands.usage,
    ];
    const synopsis = `\`${usage.filter((word) => word !== '').join(' ')}\`: ${command.summary}.`;
    assert.ok(section.includes(synopsis), synopsis);
    const rows = [...section.matchAll(/^\| (`--.*?) \| (.*) \|$/gm)].map(([, flag, help]) => ({
      flag: flag!.replaceAll('\\|', '|'),
      help,
    }));
    const expected = command.flags.map(({ name, short, value, help }) => {
      const spellings = [name, short].filter((spelling) => spelling !== undefined);
      return {
        flag: spellings.map((s) => `\`${s}${value === undefined ? '' : ` ${value}`}\``).join(', '),
        help,
      };
    });
    assert.deepEqual(rows, expected);
  });
}

/** Listeners and fcgi programs have the keys of programs too, which are told once. */
function honouredKeys(): string[] {
  const program = sections.program!.keys as DirectiveTable;
  return Object.entries(sections).flatMap(([kind, { named, keys }]) => {
    if (keys === 'anything') return [];
    const section = named === 'always' ? `[${kind}:x]` : `[${kind}]`;
    return Object.entries(keys)
      .filter(([key, directive]) => kind === 'program' || program[key] !== directive)
      .map(([key, { type, default: fallback, by, help }]) => {
        const value = fallback === null || fallback === '' ? '' : `\`${fallback}\``;
        const meaning = by === 'tsdaemon' ? `**new:** ${help}` : help;
        return `| \`${section}\` | \`${key}\` | ${type} | ${value} | ${meaning} |`;
      });
  });
}

test("the manual's table of honoured keys is the one in the code", () => {
  const rows = [...readme.matchAll(/^\| `\[.*\|$/gm)].map(([row]) => row);
  assert.deepEqual(rows, honouredKeys());
});

test('every link within the manual leads somewhere', () => {
  const anchors = [...readme.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
  for (const [, anchor] of readme.matchAll(/\]\(#(.*?)\)/g)) assert.ok(anchors.includes(anchor!), anchor);
});

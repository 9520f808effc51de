// Servers of the field that go into the background by themselves, on a port of their own in a folder of the test's.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './shaky.js';
import { needs, needsLinux, type Skip } from './tools.js';
import type { World } from './world.js';

export interface WebServer {
  /** Starts it; its pidfile is nginx.pid or httpd.pid. */
  readonly argv: readonly [string, ...string[]];
  readonly port: number;
}

/** The executable itself: nginx starts its successor by the name by which it was started. */
const nginx = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/bin/nginx'].find((path) => existsSync(path));

export const needsNginx: Skip = needsLinux || (nginx === undefined && 'needs nginx in sbin');

export async function configureNginx(world: World): Promise<WebServer> {
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${world.path(kind)};`)
    .join(' ');
  writeFileSync(
    world.path('nginx.conf'),
    `worker_processes 2; pid ${world.path('nginx.pid')}; error_log ${world.path('error.log')} notice;
    events { worker_connections 32; }
    http { access_log off; ${temporary}
    server { listen 127.0.0.1:${port}; location / { return 200 "on"; } } }`,
  );
  return { argv: [nginx!, '-p', world.cwd, '-c', world.path('nginx.conf')], port };
}

const apacheModules = '/usr/lib/apache2/modules';

export const needsApache: Skip =
  needsLinux || needs('apache2') || (!existsSync(apacheModules) && `needs ${apacheModules}`);

export async function configureApache(world: World): Promise<WebServer> {
  const port = await freePort();
  const modules = ['mpm_event', 'authz_core'].map((name) => {
    const file = join(apacheModules, `mod_${name}.so`);
    return `LoadModule ${name}_module ${file}`;
  });
  const root = process.getuid!() === 0 ? ['User www-data', 'Group www-data'] : [];
  writeFileSync(
    world.path('httpd.conf'),
    [
      `ServerRoot ${world.cwd}`,
      'ServerName localhost',
      `PidFile ${world.path('httpd.pid')}`,
      `DefaultRuntimeDir ${world.cwd}`,
      `ErrorLog ${world.path('error.log')}`,
      `Listen 127.0.0.1:${port}`,
      'StartServers 1',
      ...modules,
      ...root,
    ].join('\n'),
  );
  return { argv: ['/usr/sbin/apache2', '-f', world.path('httpd.conf'), '-k', 'start'], port };
}

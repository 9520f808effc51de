// Real servers, set up as their manuals set them up for Supervisor, with everything they have in one folder.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { needs, type Skip } from './tools.js';

/** Debian has its version in the name. */
const phpFpm = ['/usr/sbin', '/usr/local/sbin', '/usr/bin'].flatMap((folder) => {
  try {
    return readdirSync(folder)
      .filter((name) => /^php-fpm[\d.]*$/.test(name))
      .map((name) => join(folder, name));
  } catch {
    // ENOENT: no such folder here.
    return [];
  }
})[0];

export interface Server {
  readonly name: string;
  readonly skip: Skip;
  /** As supervisorctl calls its processes. */
  readonly processes: readonly string[];
  /** What makes it read its settings again and go on as the same process. */
  readonly reloadSignal: string | null;
  /** Writes its settings below the folder, and returns its section. */
  section(folder: string, account: Account | null): string;
  /** Resolves to what the server says, when it is asked for what only it can answer. */
  ask(folder: string): Promise<string>;
  readonly answer: RegExp;
}

/** As whom workers run where the supervisor is root. */
export interface Account {
  readonly user: string;
  readonly group: string;
}

/** https://docs.gunicorn.org/en/stable/deploy.html#supervisor */
const gunicorn: Server = {
  name: 'gunicorn',
  processes: ['gunicorn'],
  reloadSignal: 'HUP',
  skip: needs('gunicorn'),
  section(folder, account) {
    writeFileSync(
      join(folder, 'main.py'),
      'def application(environ, start_response):\n' +
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n" +
        "    return [b'gunicorn serves ' + environ['PATH_INFO'].encode()]\n",
    );
    writeFileSync(join(folder, 'gunicorn.conf.py'), `bind = 'unix:${folder}/app.sock'\nworkers = 2\n`);
    return `
[program:gunicorn]
command=gunicorn main:application -c ${folder}/gunicorn.conf.py
directory=${folder}
${account === null ? '' : `user=${account.user}`}
autostart=true
autorestart=true
redirect_stderr=true
`;
  },
  ask: (folder) => get(join(folder, 'app.sock'), '/here'),
  answer: /^gunicorn serves \/here$/,
};

const redis: Server = {
  name: 'redis',
  processes: ['redis'],
  reloadSignal: null,
  skip: needs('redis-server'),
  section(folder) {
    writeFileSync(
      join(folder, 'redis.conf'),
      `port 0\nunixsocket ${folder}/redis.sock\ndir ${folder}\nsave ""\nappendonly no\n`,
    );
    return `
[program:redis]
command=redis-server ${folder}/redis.conf
autostart=true
autorestart=true
priority=1
stdout_logfile=${folder}/redis.log
stderr_logfile=${folder}/redis_err.log
`;
  },
  ask: (folder) => say(join(folder, 'redis.sock'), 'PING\r\n'),
  answer: /^\+PONG\r\n$/,
};

const redisInBackground: Server = {
  name: 'redis in the background',
  processes: ['redis-in-background'],
  reloadSignal: null,
  skip: redis.skip,
  section(folder) {
    writeFileSync(
      join(folder, 'background.conf'),
      `daemonize yes\npidfile ${folder}/background.pid\nport 0\nunixsocket ${folder}/background.sock\n` +
        `dir ${folder}\nlogfile ${folder}/background.log\nsave ""\n`,
    );
    return `
[program:redis-in-background]
command=redis-server ${folder}/background.conf
pid_file=${folder}/background.pid
autorestart=true
`;
  },
  ask: (folder) => say(join(folder, 'background.sock'), 'PING\r\n'),
  answer: redis.answer,
};

const php: Server = {
  name: 'php-fpm behind nginx',
  processes: ['php-fpm'],
  reloadSignal: 'USR2',
  skip: (phpFpm === undefined && 'needs php-fpm') || needs('nginx'),
  section(folder, account) {
    writeFileSync(join(folder, 'index.php'), '<?php echo "php serves " . $_SERVER["REQUEST_URI"];\n');
    const workers = account === null ? '' : `user = ${account.user}\ngroup = ${account.group}\n`;
    writeFileSync(
      join(folder, 'php-fpm.conf'),
      `[global]\npid = ${folder}/php-fpm.pid\nerror_log = /proc/self/fd/2\n` +
        `[www]\n${workers}listen = ${folder}/php.sock\nlisten.mode = 0666\npm = static\npm.max_children = 2\n`,
    );
    return `
[program:php-fpm]
command=${phpFpm} --nodaemonize --fpm-config ${folder}/php-fpm.conf
autostart=true
autorestart=true
priority=5
stopsignal=QUIT
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
stderr_logfile=/dev/stderr
stderr_logfile_maxbytes=0
`;
  },
  // By way of nginx, which is the only one here that speaks its protocol.
  ask: (folder) => get(join(folder, 'web.sock'), '/index.php'),
  answer: /^php serves \/index\.php$/,
};

function nginxSettings(folder: string, name: string, account: Account | null): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${name}-${kind};`)
    .join(' ');
  const file = join(folder, `${name}.conf`);
  writeFileSync(
    file,
    `${account === null ? '' : `user ${account.user} ${account.group};`} worker_processes 2;
pid ${folder}/${name}.pid; error_log stderr; events { worker_connections 64; }
http { access_log off; ${temporary}
  server {
    listen unix:${folder}/${name}.sock;
    location / { return 200 "nginx serves $request_uri"; }
    location /app/ { proxy_pass http://unix:${folder}/app.sock:/; }
    location /index.php {
      fastcgi_pass unix:${folder}/php.sock;
      fastcgi_param SCRIPT_FILENAME ${folder}/index.php;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param REQUEST_URI $request_uri;
    }
  }
}
`,
  );
  return file;
}

const nginx: Server = {
  name: 'nginx',
  processes: ['nginx:nginx_00'],
  reloadSignal: 'HUP',
  skip: needs('nginx'),
  section: (folder, account) => `
[program:nginx]
command=nginx -c ${nginxSettings(folder, 'web', account)} -g "daemon off;"
autostart=true
autorestart=true
startretries=5
numprocs=1
startsecs=0
process_name=%(program_name)s_%(process_num)02d
stderr_logfile=${folder}/%(program_name)s_stderr.log
stderr_logfile_maxbytes=10MB
stdout_logfile=${folder}/%(program_name)s_stdout.log
stdout_logfile_maxbytes=10MB
priority=10
`,
  ask: (folder) => get(join(folder, 'web.sock'), '/page'),
  answer: /^nginx serves \/page$/,
};

const nginxInBackground: Server = {
  name: 'nginx in the background',
  processes: ['nginx-in-background'],
  reloadSignal: 'HUP',
  skip: nginx.skip,
  section: (folder, account) => `
[program:nginx-in-background]
command=nginx -c ${nginxSettings(folder, 'background-web', account)}
pid_file=${folder}/background-web.pid
stopsignal=QUIT
reload_signal=HUP
autorestart=true
`,
  ask: (folder) => get(join(folder, 'background-web.sock'), '/page'),
  answer: nginx.answer,
};

/** Two of a kind that take no new work when they are told to end, and finish what they have, as those of Celery do. */
const workers: Server = {
  name: 'workers as those of Celery',
  processes: ['worker:worker0', 'worker:worker1'],
  reloadSignal: null,
  skip: needs('python3'),
  section(folder) {
    writeFileSync(
      join(folder, 'worker.py'),
      `import signal, sys, time
warm = []
signal.signal(signal.SIGTERM, lambda *_: warm.append(True))
print('worker', sys.argv[1], 'ready', flush=True)
while not warm:
    time.sleep(0.05)
time.sleep(0.5)
print('worker', sys.argv[1], 'has finished its task', flush=True)
`,
    );
    return `
[program:worker]
command=python3 ${folder}/worker.py %(process_num)s
process_name=%(program_name)s%(process_num)s
numprocs=2
directory=${folder}
stdout_logfile=${folder}/%(program_name)s%(process_num)s.log
redirect_stderr=true
autostart=true
autorestart=true
startsecs=1
stopwaitsecs=600
killasgroup=true
priority=998
`;
  },
  ask: async (folder) =>
    ['0', '1'].map((which) => readFileSync(join(folder, `worker${which}.log`), 'utf8')).join(''),
  answer: /worker 0 ready\n(?:.*\n)*worker 1 ready\n/,
};

export const servers: readonly Server[] = [
  redis,
  php,
  gunicorn,
  nginx,
  workers,
  redisInBackground,
  nginxInBackground,
];

function get(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        body += piece;
      });
      response.on('end', () => resolve(body)).on('error', reject);
    })
      .on('error', reject)
      .end();
  });
}

/** The first piece of the answer. */
function say(path: string, words: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(words));
    socket.on('error', reject).on('data', (piece: Buffer) => {
      resolve(piece.toString());
      socket.destroy();
    });
  });
}

// Supervisor's classic web pages: the table of processes with its links, and the end of a log.
import { RpcError } from './faults.js';
import { type Html, html, quote } from './html.js';
import { errorResponse, type HttpRequest, type HttpResponse } from './http-exchange.js';
import { performAction } from './page-actions.js';
import { makeNamespec, type ProcessInfo, processStates } from './process-info.js';
import { invoke, type RpcMethods } from './rpc.js';
import { siteOf } from './same-site.js';

/** null: not one of the pages. */
export async function answerPage(methods: RpcMethods, request: HttpRequest): Promise<HttpResponse | null> {
  const { method, path } = request;
  if (method !== 'GET' && method !== 'POST') return null;
  switch (path) {
    case '/':
    case '/index.html':
      return answerIndex(methods, request);
    case '/tail.html':
      return page(await tailPage(methods, readForm(request)));
    case '/ok.html':
      return { status: 200, headers: [['Content-Type', 'text/plain']], body: 'OK' };
    default:
      return null;
  }
}

/** What the address and the form say; the form has the last word. */
function readForm({ method, query, body }: HttpRequest): ReadonlyMap<string, string> {
  const form = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) if (!form.has(name)) form.set(name, value);
  if (method === 'POST')
    for (const [name, value] of new URLSearchParams(Buffer.from(body).toString())) form.set(name, value);
  return form;
}

async function answerIndex(methods: RpcMethods, request: HttpRequest): Promise<HttpResponse> {
  const form = readForm(request);
  const action = form.get('action') ?? '';
  if (action === '') return page(await statusPage(methods, form.get('message') ?? null));
  const namespec = form.get('processname') ?? '';
  const site = action === 'refresh' ? 'own' : siteOf(request);
  if (site === 'foreign') return errorResponse(403);
  if (site === 'unknown') return { ...page(confirmPage(action, namespec)), status: 403 };
  const message = await performAction(methods, action, namespec);
  if (message === null) return errorResponse(500);
  return redirect(request.headers.get('host'), message);
}

const uncached = [
  ['Pragma', 'no-cache'],
  ['Cache-Control', 'no-cache'],
  ['Expires', 'Thu, 01 Jan 1970 00:00:00 GMT'],
] as const;

function redirect(host: string | undefined, message: string): HttpResponse {
  // Nothing but a name, an address and a port may come back from a header.
  const origin = host !== undefined && /^[\w.:[\]-]+$/.test(host) ? `http://${host.replace(/:80$/, '')}` : '';
  const location = `${origin}/?message=${quote(message)}`;
  return {
    ...errorResponse(301),
    headers: [['Location', location], ['Content-Type', 'text/html'], ...uncached],
  };
}

function page(content: Html): HttpResponse {
  return {
    status: 200,
    headers: [
      ['Content-Type', 'text/html;charset=utf-8'],
      ...uncached,
      [
        'Content-Security-Policy',
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      ],
      ['X-Content-Type-Options', 'nosniff'],
      ['Referrer-Policy', 'same-origin'],
    ],
    body: content.text,
  };
}

const frame = (title: string, content: Html): Html => html`<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>${title}</title>
  <link href="stylesheets/supervisor.css" rel="stylesheet">
</head>
<body>
${content}
</body>
</html>
`;

async function statusPage(methods: RpcMethods, message: string | null): Promise<Html> {
  const ask = (name: string) => invoke(methods, { method: `supervisor.${name}`, params: [] });
  const processes = (await ask('getAllProcessInfo')) as readonly ProcessInfo[];
  const version = (await ask('getSupervisorVersion')) as string;
  return frame(
    'Supervisor Status',
    html`<div id="wrapper">
  <div id="header"><h1>Supervisor status</h1></div>
  ${message === null ? [] : html`<div class="status_msg">${message}</div>`}
  <form action="index.html" method="post">
    <ul id="buttons" class="clr">
      <li class="action-button"><a href="index.html?action=refresh">Refresh</a></li>
      <li class="action-button"><a href="index.html?action=restartall">Restart All</a></li>
      <li class="action-button"><a href="index.html?action=stopall">Stop All</a></li>
    </ul>
    ${processes.length === 0 ? html`No programs to manage` : statusTable(processes)}
  </form>
</div>
<div id="footer" class="clr">
  <div class="left"><a href="http://supervisord.org">Supervisor</a> <span>${version}</span></div>
</div>`,
  );
}

const statusTable = (processes: readonly ProcessInfo[]): Html => html`<table>
      <thead>
      <tr>
        <th class="state">State</th>
        <th class="desc">Description</th>
        <th class="name">Name</th>
        <th class="action">Action</th>
      </tr>
      </thead>
      <tbody>
${processes.map(statusRow)}      </tbody>
    </table>`;

function statusRow(info: ProcessInfo, index: number): Html {
  const namespec = makeNamespec(info.group, info.name);
  return html`        <tr class="${index % 2 === 1 ? 'shade' : ''}">
          <td class="status"><span class="${cssClassOf(info.state)}">${info.statename.toLowerCase()}</span></td>
          <td><span>${info.description}</span></td>
          <td><a href="tail.html?processname=${quote(namespec)}" target="_blank">${namespec}</a></td>
          <td class="action">
            <ul>
${actionsOf(info.state).map((action) => actionItem(action, quote(namespec)))}            </ul>
          </td>
        </tr>
`;
}

function cssClassOf(state: number): string {
  if (state === processStates.RUNNING) return 'statusrunning';
  return state === processStates.FATAL || state === processStates.BACKOFF ? 'statuserror' : 'statusnominal';
}

type Action = 'Start' | 'Restart' | 'Stop' | 'Clear Log' | 'Tail -f Stdout' | 'Tail -f Stderr';

function actionsOf(state: number): readonly Action[] {
  const always = ['Clear Log', 'Tail -f Stdout', 'Tail -f Stderr'] as const;
  if (state === processStates.RUNNING) return ['Restart', 'Stop', ...always];
  const { STOPPED, EXITED, FATAL } = processStates;
  return ([STOPPED, EXITED, FATAL] as number[]).includes(state) ? ['Start', ...always] : always;
}

function actionItem(action: Action, name: string): Html {
  const isTail = action.startsWith('Tail');
  const href = isTail
    ? `logtail/${name}${action === 'Tail -f Stderr' ? '/stderr' : ''}`
    : `index.html?processname=${name}&action=${action.toLowerCase().replace(' ', '')}`;
  const target = isTail ? html` target="_blank"` : [];
  return html`              <li><a href="${href}" name="${action}"${target}>${action}</a></li>
`;
}

/** A form, since browsers say where the request of a form comes from. */
const confirmPage = (action: string, namespec: string): Html =>
  frame(
    'Supervisor Status',
    html`<form action="index.html" method="post">
  <p>Your browser does not tell where this request comes from. Please confirm it.</p>
  <input type="hidden" name="action" value="${action}">
  <input type="hidden" name="processname" value="${namespec}">
  <button>${action} ${namespec}</button>
  <a href="index.html">Cancel</a>
</form>`,
  );

const LIMIT_LEAST = 1024;

async function tailPage(methods: RpcMethods, form: ReadonlyMap<string, string>): Promise<Html> {
  const namespec = form.get('processname') ?? '';
  const written = form.get('limit') ?? '';
  const limit = Math.max(LIMIT_LEAST, /^\d{1,9}$/.test(written) ? Number(written) : 0);
  const text = namespec === '' ? 'No process name found' : await readTail(methods, namespec, limit);
  const again = `tail.html?processname=${quote(namespec)}&limit=${limit}`;
  return frame(
    `Supervisor tail of process ${namespec}`,
    html`<pre>
${text}</pre>
${namespec === '' ? [] : html`<p><a href="${again}">Refresh</a></p>`}`,
  );
}

async function readTail(methods: RpcMethods, namespec: string, limit: number): Promise<string> {
  try {
    const params = [namespec, -limit, 0];
    return (await invoke(methods, { method: 'supervisor.readProcessStdoutLog', params })) as string;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    if (error.fault === 'NO_FILE') return `No file for ${namespec}`;
    return `ERROR: unexpected rpc fault [${error.faultCode}] ${error.message}`;
  }
}

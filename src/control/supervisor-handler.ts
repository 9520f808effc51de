// Which address is answered by what: Supervisor's handlers, in the order in which it asks them.
import { errorResponse, type HttpRequest, type HttpResponse } from './http-exchange.js';
import type { HttpHandler, HttpLog } from './http-server.js';
import { answerLogTail, answerMainLogTail, type LogSource } from './log-tail.js';
import { answerPage } from './pages.js';
import { answerCall, inJson, inXml, type RpcMethods } from './rpc.js';
import { siteOf } from './same-site.js';
import { stylesheet } from './stylesheet.js';

export interface SupervisorHandlerOptions {
  /** With `system.*` among them. */
  readonly methods: RpcMethods;
  readonly logs: LogSource;
  readonly log: HttpLog;
}

export function makeSupervisorHandler(options: SupervisorHandlerOptions): HttpHandler {
  return async (request) => {
    const { path } = request;
    if (path.startsWith('/RPC2')) return answerRpc(options, request);
    if (path.startsWith('/logtail')) return answerLogTail(options.logs, request);
    if (path.startsWith('/mainlogtail')) return answerMainLogTail(options.logs, request);
    return (await answerPage(options.methods, request)) ?? answerFile(request);
  };
}

async function answerRpc(
  { methods, log }: SupervisorHandlerOptions,
  request: HttpRequest,
): Promise<HttpResponse> {
  if (request.method !== 'POST') return errorResponse(400);
  // A form on a page elsewhere can post text that happens to be XML; a client of XML-RPC is no browser.
  if (siteOf(request) === 'foreign') return errorResponse(403);
  const wantsJson = request.headers.get('accept')?.includes('application/json') === true;
  const trace = (text: string): void => log('trace', text);
  const answer = await answerCall(methods, request.body, wantsJson ? inJson : inXml, trace);
  const type = wantsJson ? 'application/json' : 'text/xml';
  if (answer.ok) return { status: 200, headers: [['Content-Type', type]], body: answer.document };
  log(answer.status === 500 ? 'critical' : 'error', answer.reason);
  return errorResponse(answer.status);
}

function answerFile({ method, path }: HttpRequest): HttpResponse {
  if (method !== 'GET' && method !== 'HEAD') return errorResponse(400);
  if (path !== '/stylesheets/supervisor.css') return errorResponse(404);
  return { status: 200, headers: [['Content-Type', 'text/css']], body: stylesheet };
}

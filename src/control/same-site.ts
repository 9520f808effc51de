// Whether a request may change something. Supervisor's pages do so by plain links, which any page on the web can hold;
// the browser says where a request comes from, and what is no browser does not follow links.
import { isIP } from 'node:net';
import type { RequestHead } from './http-message.js';

/** `own`: from our pages, or no browser. `foreign`: from elsewhere. `unknown`: a browser that does not say. */
export type Site = 'own' | 'foreign' | 'unknown';

export function siteOf({ headers }: Pick<RequestHead, 'headers'>): Site {
  const host = headers.get('host') ?? '';
  const fetchSite = headers.get('sec-fetch-site');
  // `none` is an address that somebody typed or a bookmark.
  if (fetchSite !== undefined) return ['same-origin', 'none'].includes(fetchSite) ? 'own' : 'foreign';
  for (const name of ['origin', 'referer']) {
    const from = headers.get(name);
    if (from !== undefined) return hostOf(from) === host.toLowerCase() ? 'own' : 'foreign';
  }
  return (headers.get('user-agent') ?? '').startsWith('Mozilla/') ? 'unknown' : 'own';
}

/**
 * Whether a Host header may be that of somebody who means us. A page can have its own name resolve to our address, and
 * then its browser takes us for the page's own site; it cannot do so with an address, nor with localhost. Every browser
 * sends the header.
 */
export function meansUs(host: string | undefined, ownName: string): boolean {
  if (host === undefined || host === '') return true;
  const [, literal, name = literal] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host.toLowerCase()) ?? [];
  return name !== undefined && (isIP(name) !== 0 || name === 'localhost' || name === ownName.toLowerCase());
}

/** `http://host:port/...` to `host:port`; null for anything else, such as the word null. */
function hostOf(url: string): string | null {
  return /^https?:\/\/([^/?#\s]+)/i.exec(url)?.[1]?.toLowerCase() ?? null;
}

/** Whether an address or name of a configuration can be reached from this machine only. */
export const isLoopbackHost = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(?:\.\d+){1,3}$/.test(host);

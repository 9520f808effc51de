import { type FaultName, faultCodes } from '../spec/faults.js';

/** What a method throws to answer with a fault; its message is the text of the fault, `NAME` or `NAME: detail`. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly fault: FaultName;
  constructor(fault: FaultName, detail: string | null = null) {
    super(detail === null ? fault : `${fault}: ${detail}`);
    this.fault = fault;
  }
  get faultCode(): number {
    return faultCodes[this.fault];
  }
}

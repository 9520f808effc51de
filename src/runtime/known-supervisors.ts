// The supervisors of this user, by what they write down: those that run, and those that were killed.
import type { StateDirectory } from '../os/state-directory.js';
import { judgeIdentity } from './situation.js';
import { readSupervisorJournal, type SupervisorJournal } from './supervisor-journal.js';

export interface KnownSupervisor extends SupervisorJournal {
  readonly folder: string;
  readonly isRunning: boolean;
}

export function knownSupervisors(state: StateDirectory): readonly KnownSupervisor[] {
  return state.supervisorFolders().flatMap((folder) => {
    const journal = readSupervisorJournal(folder);
    if (journal === null) return [];
    return [{ ...journal, folder, isRunning: judgeIdentity(journal.holder).is === 'alive' }];
  });
}

/** The one that runs with this file, which is an absolute path; null: none does. */
export function supervisorOf(file: string, state: StateDirectory): KnownSupervisor | null {
  return (
    knownSupervisors(state).find(({ isRunning, about }) => isRunning && about.place.file === file) ?? null
  );
}

// Python's shlex: shell-like words in POSIX mode for commands, and the tokens of its other mode for pairs.

export type Words = { readonly words: readonly string[] } | { readonly fault: string };

const WHITESPACE = ' \t\r\n';
const unclosed = { fault: 'No closing quotation' };

/** shlex.split: quotes and backslashes as in a POSIX shell, and nothing else of one: no comments, no expansion. */
export function splitShellWords(text: string): Words {
  const words: string[] = [];
  let word: string | null = null;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index]!;
    if (WHITESPACE.includes(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else if (character === '\\') {
      index += 1;
      if (index === text.length) return { fault: 'No escaped character' };
      word = (word ?? '') + text[index]!;
    } else if (character === '"' || character === "'") {
      const quoted = readQuoted(text, index, character);
      if ('fault' in quoted) return quoted;
      word = (word ?? '') + quoted.text;
      index = quoted.end;
    } else word = (word ?? '') + character;
  }
  return { words: word === null ? words : [...words, word] };
}

/** From the quote at `start` to its end. In double quotes a backslash escapes itself and the quote, nothing else. */
function readQuoted(
  text: string,
  start: number,
  quote: string,
): { text: string; end: number } | { fault: string } {
  let inner = '';
  for (let index = start + 1; index < text.length; index += 1) {
    const character = text[index]!;
    if (character === quote) return { text: inner, end: index };
    if (character !== '\\' || quote === "'") {
      inner += character;
      continue;
    }
    index += 1;
    if (index === text.length) return { fault: 'No escaped character' };
    inner += text[index] === '"' || text[index] === '\\' ? text[index]! : `\\${text[index]!}`;
  }
  return unclosed;
}

/**
 * The tokens of shlex without POSIX mode: runs of letters, digits, `_` and what is in `wordCharacters`; strings with
 * their quotes; any other character alone. A quote inside of a word does not begin a string, and a comment, which
 * goes from # to the end of its line, does not end a word.
 */
export function readTokens(text: string, wordCharacters: string): Words {
  const words: string[] = [];
  const isWord = (character: string): boolean => /^\w$/.test(character) || wordCharacters.includes(character);
  const characters = [...text];
  for (let index = 0; index < characters.length; index += 1) {
    const character = characters[index]!;
    if (WHITESPACE.includes(character)) continue;
    if (character === '#') index = endOfLine(characters, index);
    else if (character === '"' || character === "'") {
      const end = characters.indexOf(character, index + 1);
      if (end === -1) return unclosed;
      words.push(characters.slice(index, end + 1).join(''));
      index = end;
    } else if (isWord(character)) {
      let word = character;
      for (index += 1; index < characters.length; index += 1) {
        const next = characters[index]!;
        if (next === '#') index = endOfLine(characters, index);
        else if (isWord(next) || next === '"' || next === "'") word += next;
        else break;
      }
      words.push(word);
      // What ended the word is a token of its own, even where it would begin something else.
      const next = characters[index];
      if (next !== undefined && !WHITESPACE.includes(next)) words.push(next);
    } else words.push(character);
  }
  return { words };
}

function endOfLine(characters: readonly string[], from: number): number {
  const end = characters.indexOf('\n', from);
  return end === -1 ? characters.length : end;
}

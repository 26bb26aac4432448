/**
 * Names of `gossip.join` to addresses. Purpose: getaddrinfo may take half a minute when a name server is gone, and sits in a
 * thread of libuv's small pool meanwhile; so few at a time, a bound on waiting, one question for the same name, and
 * the latest good answer kept for when there is none. Boundary: names in, addresses out; literals need no question.
 */
import { canonicalAddress } from "../domain/address.js";
import type { Endpoint } from "../domain/messages.js";
import type { Clock } from "../ports.js";

export interface Resolver {
  /** All addresses of the host, with its port. Rejects with one line within the bound if none is or was known. */
  resolve(target: { readonly host: string; readonly port: number }): Promise<readonly Endpoint[]>;
}

export interface ResolverOptions {
  readonly clock: Clock;
  /** How long a caller waits. The question itself goes on, and its answer serves the next caller. */
  readonly timeoutMs?: number;
  readonly freshMs?: number;
  /** After a failure the name server is left alone for this long. */
  readonly retryMs?: number;
  /** Questions at a time: less than libuv's pool of 4, which files and the log need, too. */
  readonly concurrency?: number;
  /** Addresses of a name. Default: getaddrinfo(3), thus /etc/hosts and all. */
  readonly lookup?: (name: string) => Promise<readonly string[]>;
}

interface Known {
  addresses: readonly string[];
  /** When the next question is due. */
  dueAt: number;
  error: string;
  asking: Promise<void> | null;
}

const NAMES_MAX = 1024;
const ADDRESSES_MAX = 64;

export function createResolver(options: ResolverOptions): Resolver {
  const { clock, timeoutMs = 2000, freshMs = 30_000, retryMs = 5000, concurrency = 2 } = options;
  const ask = options.lookup ?? systemLookup;
  const names = new Map<string, Known>();
  const queue: (() => void)[] = [];
  let asking = 0;

  const slot = async (): Promise<void> => {
    if (asking >= concurrency) await new Promise<void>((resolve) => queue.push(resolve));
    else asking++;
  };
  const give = (): void => {
    const next = queue.shift();
    // The slot passes to who waits longest; only without anybody it is free.
    if (next !== undefined) next();
    else asking--;
  };

  const refresh = async (name: string, known: Known): Promise<void> => {
    await slot();
    try {
      const found = [...new Set((await ask(name)).map(canonical))].slice(0, ADDRESSES_MAX);
      if (found.length === 0) throw new Error("no address");
      known.addresses = found;
      known.dueAt = clock.now() + freshMs;
    } catch (error) {
      known.error = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
      known.dueAt = clock.now() + retryMs;
    } finally {
      known.asking = null;
      give();
    }
  };

  return {
    async resolve({ host, port }) {
      const address = literal(host);
      if (address !== null) return [{ host: address, port }];
      let known = names.get(host);
      if (known === undefined) {
        if (names.size >= NAMES_MAX) throw new Error(`${host}: more than ${NAMES_MAX} names to resolve`);
        known = { addresses: [], dueAt: Number.NEGATIVE_INFINITY, error: "", asking: null };
        names.set(host, known);
      }
      if (clock.now() >= known.dueAt) known.asking ??= refresh(host, known);
      const inTime = known.asking === null || (await within(known.asking, timeoutMs));
      if (known.addresses.length > 0) return known.addresses.map((address) => ({ host: address, port }));
      throw new Error(`${host}: ${inTime ? known.error : `no answer within ${timeoutMs} ms`}`);
    },
  };
}

async function systemLookup(name: string): Promise<readonly string[]> {
  // Most groups name addresses only.
  const { lookup } = await import("node:dns/promises");
  return (await lookup(name, { all: true, order: "verbatim" })).map((found) => found.address);
}

/** RFC 5952's form, or null if it is a name; a zone (`%eth0`) is left out: it means nothing to others. */
function literal(text: string): string | null {
  return canonicalAddress(text.replace(/%.*$/, ""));
}

function canonical(address: string): string {
  return literal(address) ?? address;
}

function within(promise: Promise<void>, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), timeoutMs);
    promise.then(() => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

/**
 * One election key's record and the words with which it is shown. Boundary: data and its derivations, no transitions.
 */
import type { Elected } from "../election.js";
import type { Millis } from "../messages.js";
import type { At, KeySpec, KeyState, KeyView, View } from "./types.js";

export interface Key {
  spec: KeySpec;
  state: KeyState;
  since: Millis;
  reason: string;
  elected: Elected;
  /** Whom this host believes to have announced last; null: not known. */
  holder: string | null;
  /**
   * Former holders that were held dead when the election moved on, and of whom nobody is known to have taken over since:
   * whoever was elected in between may have claimed nothing yet, so their leases still count, and the wire is asked.
   */
  readonly unsucceeded: Set<string>;
  /** Who was handing it over to one that died before it had claimed, and answers until it hears who did. */
  handingOver: string | null;
  /** `releasing`: to whom. */
  successor: string | null;
  /** Addresses that we stopped answering for although `owned` or `releasing`: the new owner's announcement was seen. */
  evidenced: Set<string>;
  /** Whose announcement that was, or who may have announced them unseen. Means something only while there are `evidenced`. */
  silencedBy: string | null;
  /** The heir's MACs that the responder was told last, as `heirMacs` has them; undefined: it does not answer for the key. */
  namedHeir: string | undefined;
  /** Whose announcement was heard last, and when; on the wire, or of it by gossip, which may come late. */
  heard: { member: string; at: Millis; onWire: boolean } | null;
  /** A side came back that has not heard our announcement, while it was not clear that the key stays ours (law 8). */
  owesAnnouncement: boolean;
  /**
   * We fell silent without having heard the elected owner since: it may not know that clients were told our MAC, and must say so
   * again (law 8). Told to it whenever it is met, and some times in between, until somebody is heard.
   */
  owesWord: boolean;
  /** Which debt of that kind it is: an older one's timer no longer applies. And how often it is still told by the timer. */
  wordNo: number;
  wordTries: number;
  /** The lease lapsed while it was owned: others may have taken it over. */
  doubtful: boolean;
  /** Rises with each transition: an older timer or answer no longer applies. */
  stamp: number;
  /** The living member on whose hand-over the claim rests: should it be held dead before the claim is done, that is void. */
  trusting: string | null;
  /** Addresses that a stranger claimed within DEFEND_INTERVAL of their last defence. */
  readonly attacked: Set<string>;
  /** This claim has asked for its addresses on lo: news of an earlier claim's, which was given up, do not count for it. */
  holding: boolean;
  /** Addresses that are on lo since the claim began. */
  held: Set<string>;
  /** Claimed anew after a lapse: its addresses stand on lo all the while, and a little longer if the claim comes to nothing. */
  lingers: boolean;
  /** No claim before: a refused or failed one is not repeated at once. */
  notBefore: Millis;
  /** The claim waits because this member answers on the wire, and is held dead here, or just back: not longer than until it is met. */
  heldBackBy: string | null;
  /** Since when state is being exchanged with a rival, and with whom. */
  rivalryAt: Millis;
  rival: string | null;
  /**
   * A rival with which no state could be exchanged: we gave way to it, or (ours to keep) still owe it an announcement when
   * it is heard again.
   */
  stubborn: string | null;
  /** It serves the key and does not carry its group: by its configuration the address belongs to another one. */
  misnamedBy: string | null;
  contested: string | null;
  /** A rival that we shall give way to, should it still answer: the wire is asked. */
  givingWayTo: string | null;
  announcedAt: Millis;
  /** By address, when it was last announced after a rival that does not hear us. */
  readonly spokeLastAt: Map<string, Millis>;
  /** When the announcements were made whose rounds follow them: a newer one does not end an older one's. */
  roundsFrom: readonly Millis[];
  /** By address, when it was last defended against a stranger. */
  readonly defendedAt: Map<string, Millis>;
  /** Times that the stranger was met in our way. */
  conflicts: number;
  /** Another host may try until then (conflict "yield"). */
  refusedUntil: Millis;
  /** The stranger that claimed it or answered for it last. */
  stranger: { mac: string; at: Millis; since: Millis; saidAt: Millis } | null;
  /** The claim took over from somebody (as against a first claim at a cold start). */
  tookOver: boolean;
  ownedSince: Millis;
}

export function newKey(spec: KeySpec, now: Millis): Key {
  return {
    spec,
    state: "unowned",
    since: now,
    reason: "nobody is eligible yet",
    elected: { owner: null, heir: null },
    holder: null,
    unsucceeded: new Set(),
    handingOver: null,
    successor: null,
    evidenced: new Set(),
    silencedBy: null,
    namedHeir: undefined,
    heard: null,
    owesAnnouncement: false,
    owesWord: false,
    wordNo: 0,
    wordTries: 0,
    doubtful: false,
    stamp: 0,
    trusting: null,
    attacked: new Set(),
    holding: false,
    held: new Set(),
    lingers: false,
    notBefore: Number.NEGATIVE_INFINITY,
    heldBackBy: null,
    rivalryAt: Number.NEGATIVE_INFINITY,
    rival: null,
    stubborn: null,
    misnamedBy: null,
    contested: null,
    givingWayTo: null,
    announcedAt: Number.NEGATIVE_INFINITY,
    spokeLastAt: new Map(),
    roundsFrom: [],
    defendedAt: new Map(),
    conflicts: 0,
    refusedUntil: Number.NEGATIVE_INFINITY,
    stranger: null,
    tookOver: false,
    ownedSince: Number.NEGATIVE_INFINITY,
  };
}

/** Addresses that it answers for still, where it is owned or releasing. */
export function unyielded(key: Key): string[] {
  return key.spec.addresses.filter((address) => !key.evidenced.has(address));
}

/** Owned or being handed over, and silent for some of it at least. */
export function isYielded(key: Key): boolean {
  return (key.state === "owned" || key.state === "releasing") && key.evidenced.size > 0;
}

export function silentFor(key: Key): boolean {
  return key.evidenced.size >= key.spec.addresses.length;
}

export function placesOf(key: Pick<Key, "spec">, addresses: Iterable<string> = key.spec.addresses): At[] {
  const all = [...addresses];
  return key.spec.interfaces.flatMap((name) => all.map((address) => ({ address, interface: name })));
}

export function isLive(view: View, member: string | null): member is string {
  if (member === null) return false;
  const state = view.state(member);
  return state === "alive" || state === "suspect";
}

/** The member that this host believes to announce the key now. */
export function believedOwner(key: Key, view: View): string | null {
  switch (key.state) {
    case "owned":
      return view.self;
    case "releasing":
      return silentFor(key) ? key.successor : view.self;
    case "claiming":
      return isLive(view, key.holder) ? key.holder : null;
    case "conflict":
    case "unowned":
      return null;
    case "standby":
      return key.elected.owner === view.self ? key.holder : key.elected.owner;
  }
}

export function viewOf(key: Key, view: View): KeyView {
  const owner = believedOwner(key, view);
  const { owner: first, heir } = key.elected;
  return {
    spec: key.spec,
    state: key.state,
    since: key.since,
    reason: key.reason,
    stranger: key.stranger,
    owner,
    heir: first !== null && first !== owner ? first : heir,
  };
}

/** The living member that serves it as part of another group, or null. */
export function misnamedBy(view: View, { misnamedBy: member, spec }: Key): string | null {
  return member !== null && isLive(view, member) && !view.carries(member, spec.group) ? member : null;
}

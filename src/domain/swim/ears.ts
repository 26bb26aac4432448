/**
 * Who does not hear us. A host that hears nobody goes on asking, and holds all others dead; its questions would be signs of
 * life for ever. What gives it away is that it repeats an accusation which we have refuted, and does not refute what it is told.
 * Boundary: pure; who is judged for it is watch.ts's business.
 */
import type { Message, Millis } from "../messages.js";
import { deafAfterMs } from "../timing.js";
import type { Context } from "./context.js";
import { isForeign, isLive, type Member } from "./members.js";

/** Whoever holds us dead asks us once a second at least (reconnect.ts). */
const STILL_ASKS_MS: Millis = 2500;

/**
 * A fresh question came, in a datagram of these messages. It is a sign of life of whoever hears us. Of whoever ignores what we
 * said only an answer is, also in the past: before it accuses, and before it is accused, nobody was heard for as long as a
 * suspicion takes.
 */
export function asked(ctx: Context, member: Member, messages: readonly Message[]): void {
  const { now, profile, self, table } = ctx;
  if (member.state === "alive" && !messages.some((message) => refutedAlready(message, member, self))) {
    table.heard(member, now);
    // Whoever holds us dead says so in every question.
    if (!messages.some((message) => accuses(message, self))) ctx.met(member);
    return;
  }
  member.ignoresUsSince ??= now;
  if (now - member.ignoresUsSince < deafAfterMs(profile)) return;
  const before = member.deaf;
  member.deaf = othersHearUs(ctx, member);
  member.ignoredUsAt = now;
  member.lastHeardAt = Math.max(
    member.answeredAt,
    Math.min(member.lastHeardAt, member.ignoresUsSince - profile.suspectAfterMs),
  );
  table.changed(member);
  if (!member.deaf || before) return;
  // It has been silent for longer than whoever suspects it took for granted: what hangs on that is reckoned anew.
  if (member.state === "suspect") ctx.changed(member, "suspect", "it asks, but does not hear us");
  else ctx.touched.add(member.name);
}

/**
 * Its silence is no reason for a verdict: it asked us, and what we said may still be on its way; or it tells us that it does not
 * hear us, and so do all others, if there are any: then it is we who are not heard.
 */
export function stillTalks(ctx: Context, member: Member): boolean {
  const { now, profile } = ctx;
  if (member.ignoresUsSince === null) return false;
  if (now - member.ignoresUsSince < deafAfterMs(profile)) return true;
  return !member.deaf && now - member.ignoredUsAt < STILL_ASKS_MS;
}

/** The sender's own accusation of us, of an incarnation that is over. */
function refutedAlready(message: Message, sender: Member, self: Member): boolean {
  return accuses(message, self) && message.from === sender.name && message.incarnation < self.incarnation;
}

function accuses(message: Message, self: Member): message is Extract<Message, { kind: "suspect" | "dead" }> {
  return (message.kind === "suspect" || message.kind === "dead") && message.node === self.name;
}

/** Without anybody else nobody can tell which of the two it is: then each is its own side of a partition. */
function othersHearUs(ctx: Context, member: Member): boolean {
  const others = [...ctx.table.all()].filter(
    (other) => !other.self && other !== member && !isForeign(other) && isLive(other.state),
  );
  return others.length === 0 || others.some((other) => ctx.now - other.lastHeardAt < ctx.profile.suspectAfterMs);
}

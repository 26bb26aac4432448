/**
 * The daemon's event feed: the latest thousand, storms summed up as the log does. Else a takeover of thousands of VIPs would push out
 * the death that caused it, and cut off whoever reads slowly. Boundary: decides what is told one by one; http-events.ts keeps and sends.
 */
import { createEventFeed, type EventFeed } from "../adapters/http-events.js";
import { Storms } from "../adapters/log-storms.js";
import type { Clock } from "../ports.js";

const EVENTS_MAX = 1000;

/** Of one event for one `reason` so many a second are told; one tells the `count` of the others. */
export function createFeed(options: { readonly clock: Clock; readonly instance: string }): EventFeed {
  const feed = createEventFeed({ ...options, historyMax: EVENTS_MAX });
  const storms = new Storms((level, event, { count, overMs }, text, reason) =>
    feed.publish(event, { level, text, reason, count, overMs }),
  );
  return {
    ...feed,
    publish(event, fields) {
      const { level, text, reason } = fields;
      const isLevel = level === "warn" || level === "error" ? level : "info";
      if (storms.pass(isLevel, event, asText(text), asText(reason))) feed.publish(event, fields);
    },
  };
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The package has no types of its own. */
declare module "node-gyp-build" {
  /** The addon of a folder: the one that was built there, else a prebuilt one that fits. */
  export default function load(folder: string): unknown;
}

/**
 * Pulumi keeps a stack trace with each of the thousands of promises of a run, and has all of them looked up in source
 * maps by a library: half a second of every preview, and with an error 20 s. Node.js itself does the same (the loader
 * switches it on), and only for traces that are shown.
 */
Error.prepareStackTrace = undefined as unknown as typeof Error.prepareStackTrace;

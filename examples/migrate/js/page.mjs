// @microsoft/fetch-event-source expects a page. This is as much of one as it needs in Node.
globalThis.window = globalThis
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} }

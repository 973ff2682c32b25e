// The worker that runs la: takes a model, file by file, straight to its place in memory, and answers questions; on several
// threads where the browser lets this page share memory, see serve/web_page.hpp for the headers that it wants.
/* global createLa, createLaThreads */

let la = null;  // the program, once started
let memory = null;  // what its threads share
const heap = () => memory ? new Uint8Array(memory.buffer) : la.HEAPU8;  // anew each time, as it grows
const place = pointer => pointer >>> 0;  // addresses above 2 GB come as negative numbers
const tell = (kind, told) => postMessage({kind, ...told});
self.tellItem = json => tell('item', {item: JSON.parse(json)});
self.tellLoaded = share => tell('progress', {stage: 'opening', share});

const kPatience = 60000;  // ms in which threads must be there

/** The program with `others` threads beside this one. Fails where the browser gives no memory to share, or not so many workers. */
function startThreads(others) {
  const Plain = self.Worker, started = [];
  if (!Plain) throw new Error('this browser lets a worker start no others');
  let timer = 0;
  return new Promise((done, failed) => {
    self.Worker = class extends Plain {
      constructor(...how) {
        super(...how);
        started.push(this);
        this.addEventListener('error', event => {
          event.stopImmediatePropagation();
          failed(new Error(event.message || 'a worker could not be started'));
        });
      }
    };
    timer = setTimeout(() => failed(new Error(`not all workers started within ${kPatience / 1000} s`)), kPatience);
    memory = new WebAssembly.Memory({initial: 256, maximum: 65536, shared: true});  // as it is linked
    importScripts('la-threads.js');
    createLaThreads({wasmMemory: memory, threads: others, mainScriptUrlOrBlob: new URL('la-threads.js', location.href).href}).then(done, failed);
  }).catch(error => {
    for (const one of started) one.terminate();
    memory = null;
    throw error;
  }).finally(() => {
    clearTimeout(timer);
    self.Worker = Plain;
  });
}

/** Starts the program: on how many threads, and why not on as many as were wanted. */
async function start(wanted) {
  let why = '';
  if (wanted > 1) {
    try {
      if (!self.crossOriginIsolated) throw new Error('this page is not isolated from others');
      la = await startThreads(wanted - 1);
      return {threads: wanted, why};
    } catch (error) {
      why = error.message;
    }
  }
  importScripts('la.js');
  la = await createLa();
  return {threads: 1, why};
}

/** A text in the program's memory while `work` runs. */
function withText(text, work) {
  const bytes = new TextEncoder().encode(text + '\0'), pointer = place(la._malloc(bytes.length));
  if (!pointer) throw new Error('out of memory');
  heap().set(bytes, pointer);
  try {
    return work(pointer);
  } finally {
    la._free(pointer);
  }
}

function answerOf(pointer) {
  const answer = JSON.parse(la.UTF8ToString(place(pointer)));
  if (answer.error) throw new Error(answer.error);
  return answer;
}

/** Where a file of the model comes from: {size, stream()}. */
async function sourceOf(file) {
  if (file.blob) return {size: file.blob.size, stream: () => file.blob.stream()};
  const response = await fetch(file.url);
  if (!response.ok) throw new Error(`${file.url}: expected a file, the server says ${response.status}`);
  const size = Number(response.headers.get('Content-Length'));
  if (!(size >= 0) || response.headers.get('Content-Encoding'))
    throw new Error(`${file.url}: expected its size before its bytes`);
  return {size, stream: () => response.body};
}

/** The file of the browser's own storage that keeps `name`; null where there is none, no room, or another page at it. */
async function keep(cache, name, size) {
  if (!cache) return null;
  let access = null;
  try {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle(cache, {create: true});
    access = await (await folder.getFileHandle(name, {create: true})).createSyncAccessHandle();
    access.truncate(size);
    return access;
  } catch {  // the page works without, it only loads again next time
    if (access) access.close();
    return null;
  }
}

const kPiece = 16 << 20;

/** Takes a file to its place. Whether the next visit will find it in this browser's storage. */
async function load(file, cache, progress) {
  let at = 0, size, access = null;
  const room = () => {
    const pointer = withText(file.name, name => place(la._la_web_file(name, size)));
    if (!pointer) throw new Error(`${file.name}: there is no memory for ${size} bytes`);
    return pointer;
  };
  if (file.kept) {  // from OPFS, straight to its place
    access = await file.kept.createSyncAccessHandle();
    try {
      size = access.getSize();
      const pointer = room();
      while (at < size) {
        // Memory that threads share may not be read into.
        const begin = pointer + at, most = Math.min(size - at, kPiece);
        const to = memory ? new Uint8Array(most) : heap().subarray(begin, begin + most), now = access.read(to, {at});
        if (memory) heap().set(to.subarray(0, now), begin);
        if (!now) throw new Error(`${file.name}: ended after ${at} of ${size} bytes`);
        progress(now);
        at += now;
      }
    } finally {
      access.close();
    }
    return true;
  }
  const source = await sourceOf(file);
  size = source.size;
  const pointer = room();
  access = await keep(cache, file.name, size);
  const attempt = work => {
    try {
      if (access) work();
    } catch {  // no room in the storage, while there is in memory
      access.close();
      access = null;
    }
  };
  try {
    const reader = source.stream().getReader();
    for (;;) {
      const {value, done} = await reader.read();
      if (done) break;
      if (at + value.length > size) throw new Error(`${file.name}: expected ${size} bytes, found more`);
      heap().set(value, pointer + at);
      attempt(() => { if (access.write(value, {at}) !== value.length) throw new Error('no room'); });
      at += value.length;
      progress(value.length);
    }
    if (at !== size) throw new Error(`${file.name}: expected ${size} bytes, found ${at}`);
    attempt(() => access.flush());
    return access !== null;
  } finally {
    if (access) access.close();
  }
}

let running = {threads: 1, why: ''};

const hands = {
  async open({files, name, isa, threads, cache, total}) {
    running = await start(threads);
    let done = 0, said = 0, kept = cache !== null;
    for (const file of files)
      kept = await load(file, kept ? cache : null, bytes => {
        done += bytes;
        if (done - said < kPiece && done < total) return;
        said = done;
        tell('progress', {stage: 'loading', share: total ? done / total : 0, bytes: done});
      });
    if (cache && !kept)  // what there was room for is of no use
      await (await navigator.storage.getDirectory()).removeEntry(cache, {recursive: true}).catch(() => {});
    if (cache && kept) {  // complete from here on
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle(cache);
      const access = await (await folder.getFileHandle('complete', {create: true})).createSyncAccessHandle();
      access.close();
    }
    const opened = withText(name, n => withText(isa || '', i => la._la_web_open(n, i, running.threads)));
    tell('open', {...answerOf(opened), ...running});
  },

  async ask({fields, image}) {
    const bytes = new Uint8Array(await image.arrayBuffer()), pointer = place(la._malloc(bytes.length));
    if (!pointer) throw new Error('out of memory');
    heap().set(bytes, pointer);
    try {
      const answer = answerOf(withText(JSON.stringify({image: '', ...fields}), f => la._la_web_ask(pointer, bytes.length, f)));
      tell('answer', {answer: {...answer, threads: running.threads, memory: la._la_web_memory()}});
    } finally {
      la._free(pointer);
    }
  },
};

onmessage = async ({data}) => {
  try {
    await hands[data.kind](data);
  } catch (error) {
    tell('failed', {text: error.message});
  }
};

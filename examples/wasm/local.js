// la in this browser: the page asks a worker in place of a server. Models come with the page, from a folder of this machine,
// from an address, or from this browser's own storage, where those of an address are kept.

import {useEngine} from './app.js';

const at = id => document.getElementById(id);
const kFiles = ['config.json', 'generation_config.json', 'preprocessor_config.json', 'tokenizer.json', 'tokenizer_config.json',
  'added_tokens.json', 'chat_template.json', 'merges.txt', 'special_tokens_map.json', 'vocab.json', 'model.safetensors'];
const isPart = name => kFiles.includes(name) || name.endsWith('.safetensors') || name === 'model.safetensors.index.json';
const asked = new URLSearchParams(location.search), isa = asked.get('isa') || '';

// Threads, where memory may be shared: by default as many as the machine runs at a time, but no more than help.
const kThreads = 64, kDefaultThreads = 16;
const allowed = () => self.crossOriginIsolated ? kThreads : 1;
const threadsOf = text => Math.min(allowed(), Math.max(1, Math.floor(Number(text)) || Math.min(kDefaultThreads, navigator.hardwareConcurrency || 1)));
let threads = threadsOf(asked.get('threads'));

let worker = null, hear = null;  // the worker, and who listens to it
let model = null;                // what it was last told to open: {name, files, cache}
let ready = null;                // a promise of its being open

const say = text => { at('status').textContent = text; };

/** Starts over with this model; a worker that works cannot be told to stop, so it is ended. */
function open(next) {
  if (worker) worker.terminate();
  model = next;
  worker = new Worker('engine.js');
  const bar = at('loading');
  ready = new Promise((done, failed) => {
    worker.onmessage = ({data}) => {
      if (data.kind === 'progress') {
        bar.hidden = false;
        bar.value = data.share;
        say(data.stage === 'loading' ? `Loading ${model.name}: ${(data.bytes / 1e6).toFixed(0)} MB, ${Math.floor(data.share * 100)} %` : `Opening ${model.name} …`);
      } else if (data.kind === 'open') {
        bar.hidden = true;
        const where = `${data.isa}, ${data.threads} ${data.threads > 1 ? 'threads' : 'thread'}, weights ${data.weights}`;
        say(`${model.name} is ready in this browser (${where}).${data.why ? ` More threads could not be started: ${data.why}.` : ''}`);
        document.documentElement.dataset.model = model.name;
        done(data);
      } else if (data.kind === 'failed') {
        bar.hidden = true;
        failed(new Error(data.text));
      }
      if (hear) hear(data);
    };
    worker.onerror = event => failed(new Error(event.message || 'the worker could not be started'));
  });
  ready.catch(error => {
    say('');
    at('error').textContent = `${model.name} could not be opened: ${error.message}`;
    at('error').hidden = false;
  });
  delete document.documentElement.dataset.model;
  const {name, files, cache, total} = model;
  worker.postMessage({kind: 'open', name, files, cache, total, isa, threads});
  return ready;
}

async function ask(fields, image, signal, told) {
  await ready;
  if (signal.aborted) return;
  await new Promise((done, failed) => {
    hear = data => {
      if (data.kind === 'item') told('item', data.item);
      if (data.kind === 'answer') { told('answer', data.answer); done(); }
      if (data.kind === 'failed') failed(new Error(data.text));
    };
    signal.addEventListener('abort', () => { open(model).catch(() => {}); done(); });
    worker.postMessage({kind: 'ask', fields, image});
  }).finally(() => { hear = null; });
}

// Where models come from

async function sizeOf(url) {
  const head = await fetch(url, {method: 'HEAD'}).catch(() => null);
  return head && head.ok ? Number(head.headers.get('Content-Length')) : null;
}

/** What files there are: of a checkpoint in one part, or in those that its index names. */
async function namesAt(base) {
  const index = await fetch(new URL('model.safetensors.index.json', base)).then(r => r.ok ? r.json() : null).catch(() => null);
  return index ? [...kFiles.slice(0, -1), 'model.safetensors.index.json', ...new Set(Object.values(index.weight_map))] : kFiles;
}

async function fromAddress(address, name, cache, known) {
  const base = new URL(address.replace(/\/*$/, '/'), location.href), files = [], names = known || await namesAt(base);
  let total = 0;
  for (const file of names) {
    const url = new URL(file, base).href, size = await sizeOf(url);
    if (size === null) continue;
    files.push({name: file, url});
    total += size;
  }
  if (!files.some(file => file.name.endsWith('.safetensors'))) throw new Error(`${base.href}: expected config.json, a tokenizer and *.safetensors there`);
  return {name, files, total, cache};
}

function fromFolder(list) {
  const files = [...list].filter(file => isPart(file.name) && file.webkitRelativePath.split('/').length === 2).map(file => ({name: file.name, blob: file}));
  if (!files.some(file => file.name.endsWith('.safetensors'))) throw new Error('This folder has no *.safetensors in it.');
  const name = list[0].webkitRelativePath.split('/')[0] || 'a folder';
  return {name, files, total: files.reduce((sum, file) => sum + file.blob.size, 0), cache: null};
}

const storage = () => navigator.storage?.getDirectory?.().catch(() => null);

/** Models that were loaded whole on an earlier visit. */
async function kept() {
  const models = [], root = await storage();
  if (!root) return models;
  for await (const [name, folder] of root.entries()) {
    if (folder.kind !== 'directory') continue;
    const files = [];
    let total = 0, complete = false;
    for await (const [file, handle] of folder.entries()) {
      if (file === 'complete') complete = true;
      else {
        files.push({name: file, kept: handle});
        total += (await handle.getFile()).size;
      }
    }
    if (complete) models.push({name: decodeURIComponent(name), files, total, cache: null});
  }
  return models;
}

const element = (tag, attributes, ...children) => {
  const one = document.createElement(tag);
  Object.assign(one, attributes);
  one.append(...children);
  return one;
};

function tried(work) {
  return async event => {
    at('error').hidden = true;
    try {
      await work(event);
    } catch (error) {
      at('error').textContent = error.message;
      at('error').hidden = false;
    }
  };
}

async function build() {
  const choices = [await bundled(), ...await kept()];
  const option = (one, i) => element('option', {value: i, textContent: one.name});
  const choose = element('select', {id: 'model'}, ...choices.map(option), element('option', {value: 'server', textContent: 'a server, see below'}));
  choose.onchange = tried(async () => {
    if (choose.value === 'server') return useEngine(null);
    useEngine({ask});
    await open(choices[choose.value]);
  });
  const openNew = async one => {
    useEngine({ask});
    await open(one);
    choose.lastChild.before(option(one, choices.length));
    choose.value = choices.push(one) - 1;
  };
  const folder = element('input', {id: 'folder', type: 'file', className: 'hidden', webkitdirectory: true});
  folder.onchange = tried(() => openNew(fromFolder(folder.files)));
  const address = element('input', {id: 'address', type: 'url', autocomplete: 'off', placeholder: 'https://…/a-packed-checkpoint'});
  const fetchIt = element('button', {id: 'fetch', type: 'button', textContent: 'Load'});
  fetchIt.onclick = tried(async () => {
    const name = address.value.replace(/\/*$/, '').split('/').pop();
    await openNew(await fromAddress(address.value, name, await storage() ? encodeURIComponent(name) : null));
  });
  const team = element('input', {id: 'threads', type: 'number', min: 1, max: allowed(), value: threads, disabled: allowed() === 1});
  team.onchange = tried(async () => {
    team.value = threads = threadsOf(team.value);
    if (model) await open(model);
  });
  at('models').append(element('div', {className: 'row'},
    element('label', {className: 'field grow'}, element('span', {textContent: 'Model in this browser'}), choose),
    element('label', {className: 'field'}, element('span', {textContent: 'Threads'}), team),
    element('label', {className: 'button', htmlFor: 'folder', textContent: 'Another, from a folder'}), folder),
  element('div', {className: 'row'},
    element('label', {className: 'field grow'}, element('span', {textContent: 'Or from an address'}), address), fetchIt),
  element('p', {textContent: 'Nothing leaves this browser. A model from an address is kept in it for the next visit.' +
    (allowed() > 1 ? '' : ' More than one thread needs a server that sends Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp with this page.')}));
  at('models').hidden = false;
  at('status').after(element('progress', {id: 'loading', max: 1, value: 0, hidden: true, ariaLabel: 'Loading the model'}));
  useEngine({ask});
  await open(choices[0]);
}

async function bundled() {
  return fromAddress('model', 'shapes and letters', null, ['config.json', 'generation_config.json', 'preprocessor_config.json',
    'tokenizer.json', 'tokenizer_config.json', 'model.safetensors']);
}

build().catch(error => {
  at('error').textContent = error.message;
  at('error').hidden = false;
});

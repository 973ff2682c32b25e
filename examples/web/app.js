// The page: a picture and words go to la's server, or to la in this browser (wasm/local.js), boxes come back one by one. No
// framework, no build step.

const at = id => document.getElementById(id);
const kShownPixels = 2400;    // the longer side of what is drawn: more than screens show, and quick to draw
const kSentPixels = 24e6;     // larger pictures are shrunk before they are sent
const kColours = ['#d50000', '#0059d6', '#00796b', '#a100a8', '#c75000', '#4a148c', '#37700a', '#b3005e', '#00679e', '#7a5200'];

/** What is asked about: pixels to draw and the bytes to send. Boxes are in pixels of `width` x `height`. */
let picture = null;
/** The picture that is still being read, a promise of whether it came to be `picture`: a question waits for it. */
let arriving = null;
/** What came back: items, and in the end the whole answer. */
let found = {items: [], answer: null};
let running = null;  // AbortController of the question under way
/** Who answers: ask(fields, picture, signal, told), which calls told(kind, value) with kind `item` or `answer`. */
let engine = {ask: askServer};
export function useEngine(other) {
  stop();
  engine = other || {ask: askServer};
}

// What people read

const say = text => { at('status').textContent = text; };
function fail(text) {
  at('error').textContent = text;
  at('error').hidden = !text;
}

function words(status, text) {
  const why = text ? ` It says: “${text}”.` : '';
  if (status === 401) return 'This server wants a key. Open Settings and enter it.';
  if (status === 413) return `The picture is too large for this server.${why}`;
  if (status === 429) return 'The server is busy: too many questions wait. Try again in a moment.';
  if (status === 503) return `The server could not answer in time.${why} Try again in a moment.`;
  if (status === 404 || status === 405) return 'There is no la server at this address. See Settings.';
  return `The server refused the question.${why}`;
}

// Pictures

function take(file, name) {
  if (!file) return;
  stop();
  fail('');
  say('Reading the picture …');
  const mine = arriving = read(file, name, () => arriving === mine).finally(() => {
    if (arriving === mine) arriving = null;
  });
}

/** False where it can't be read, or is no longer wanted since another was chosen meanwhile. */
async function read(coming, name, wanted) {
  let file, bitmap, sent, scale = 1;
  try {
    file = sent = await coming;
    bitmap = await createImageBitmap(file);
    if (bitmap.width * bitmap.height > kSentPixels) {
      scale = Math.sqrt(kSentPixels / (bitmap.width * bitmap.height));
      sent = await shrink(file, Math.round(bitmap.width * scale), Math.round(bitmap.height * scale));
    }
  } catch {
    if (!wanted()) return false;
    say('');
    fail(`${name || coming.name || 'This file'} is no picture that this browser can show.`);
    return false;
  }
  if (!wanted()) {
    bitmap.close();
    return false;
  }
  const {width, height} = bitmap;
  const shown = Math.min(1, kShownPixels / Math.max(width, height));
  const canvas = at('picture');
  canvas.width = Math.max(1, Math.round(width * shown));
  canvas.height = Math.max(1, Math.round(height * shown));
  canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  canvas.style.width = `min(${3 * width}px, ${(75 * width / height).toFixed(3)}vh)`;  // small ones larger, high ones whole
  bitmap.close();
  canvas.setAttribute('aria-label', `Picture ${name || file.name || ''}, ${width} by ${height} pixels`);
  picture = {file, sent, width, height, scale, name: name || file.name || 'picture.png'};
  at('hint').hidden = true;
  at('marks').setAttribute('viewBox', `0 0 ${width} ${height}`);
  clear();
  say(`${picture.name}, ${width} × ${height}. Say what to find in it.`);
  return true;
}

/** Decoded and scaled off this thread. */
async function shrink(file, width, height) {
  const small = await createImageBitmap(file, {resizeWidth: width, resizeHeight: height, resizeQuality: 'high'});
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d').drawImage(small, 0, 0);
  small.close();
  return canvas.convertToBlob({type: 'image/jpeg', quality: 0.95});
}

/** Pictures that are drawn here, of what the bundled model knows. */
function example(kind) {
  const canvas = new OffscreenCanvas(224, 168), to = canvas.getContext('2d');
  to.fillStyle = '#e8e4d8';
  to.fillRect(0, 0, 224, 168);
  const fill = (colour, path) => { to.fillStyle = colour; to.beginPath(); path(); to.fill(); };
  const polygon = (x, y, points) => points.forEach(([dx, dy], i) => to[i ? 'lineTo' : 'moveTo'](x + dx, y + dy));
  const star = Array.from({length: 10}, (_, i) => {
    const r = i % 2 ? 11 : 27, a = Math.PI * (i / 5 - 0.5);
    return [r * Math.cos(a), r * Math.sin(a)];
  });
  if (kind === 'shapes') {
    fill('#dc1e1e', () => to.arc(160, 48, 27, 0, 7));
    fill('#1ea03c', () => polygon(60, 122, star));
    fill('#1e46dc', () => to.rect(28, 26, 48, 48));
    fill('#f08c14', () => polygon(158, 122, [[0, -26], [28, 24], [-28, 24]]));
  } else {
    to.font = 'bold 62px sans-serif';
    to.textBaseline = 'middle';
    [['R', '#dc1e1e', 30, 46], ['K', '#141414', 134, 60], ['A', '#1e46dc', 64, 122], ['S', '#1ea03c', 162, 128]].forEach(
      ([letter, colour, x, y]) => { to.fillStyle = colour; to.fillText(letter, x, y); });
  }
  take(canvas.convertToBlob(), `${kind}.png`);
  at('task').value = 'ground-multi';
  at('phrase').value = kind === 'shapes' ? 'red circle' : 'letter';
  changeTask();
  at('phrase').focus();
}

// Questions

const base = () => at('server').value.replace(/\/+$/, '');

function fields() {
  const task = at('task').value, phrase = at('phrase').value.trim();
  const form = {task};
  if (task === 'detect') form.categories = phrase;
  else if (task !== 'detect-text') form.phrase = phrase;
  if (at('mode').value) form.generation_mode = at('mode').value;
  return form;
}

async function ask() {
  if (arriving && !await arriving) return;
  fail('');
  if (!picture) return fail('Choose a picture first.');
  const asked = fields();
  if (asked.task !== 'detect-text' && !at('phrase').value.trim()) {
    at('phrase').focus();
    return fail('Say what to find.');
  }
  stop();
  clear();
  const mine = running = new AbortController();
  busy(true);
  say('Looking …');
  try {
    await engine.ask(asked, picture.sent, mine.signal, (kind, told) => {
      if (running !== mine) return;
      if (kind === 'item') add(told);
      if (kind === 'answer') finish(told);
    });
    if (!found.answer) throw new Error('The server ended before it had answered.');
  } catch (error) {
    if (mine.signal.aborted) return;
    say('');
    fail(error instanceof TypeError ? `No server answers at ${base() || 'this address'}. Is it running? See Settings.` : error.message);
  } finally {
    if (running === mine) {
      running = null;
      busy(false);
    }
  }
}

async function askServer(asked, image, signal, told) {
  const body = new FormData();
  for (const [name, value] of Object.entries(asked)) body.append(name, value);
  body.append('image', image, 'picture');
  const headers = {Accept: 'text/event-stream'};
  if (at('key').value) headers.Authorization = `Bearer ${at('key').value}`;
  const response = await fetch(`${base()}/v1/ground`, {method: 'POST', body, headers, signal});
  if (!response.ok) {
    const said = await response.json().catch(() => ({}));
    throw new Error(words(response.status, typeof said.error === 'string' ? said.error : ''));
  }
  await readEvents(response.body, told);
}

async function readEvents(stream, told) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
      const [, kind, data] = /^event: (\w+)\ndata: (.*)/.exec(text.slice(0, end)) || [];
      if (!kind) continue;
      const value = JSON.parse(data);
      if (kind === 'error') throw new Error(words(503, value.error));
      told(kind, value);
    }
  }
}

function stop() {
  if (!running) return;
  running.abort();
  running = null;
  busy(false);
  say('Stopped.');
}

function busy(yes) {
  at('find').disabled = yes;
  at('stop').hidden = !yes;
}

// What was found

const scaled = numbers => numbers.map(n => n / picture.scale);
const colours = new Map();
function colourOf(label) {
  if (!colours.has(label)) colours.set(label, kColours[colours.size % kColours.length]);
  return colours.get(label);
}

function clear() {
  found = {items: [], answer: null};
  colours.clear();
  at('items').replaceChildren();
  at('marks').replaceChildren();
  at('facts').hidden = at('saves').hidden = true;
  count();
}

const svg = (name, attributes) => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};
const html = (name, attributes, ...children) => {
  const element = document.createElement(name);
  Object.assign(element, attributes);
  element.append(...children);
  return element;
};

function add(item) {
  if (item.box) item.box = scaled(item.box);
  if (item.point) item.point = scaled(item.point);
  const colour = colourOf(item.label), number = found.items.length;
  const where = item.kind === 'box' ? item.box : item.kind === 'point' ? item.point : null;
  const place = where ? where.map(n => Math.round(n)).join(', ') : 'not there';
  const swatch = html('span', {className: 'swatch'});
  swatch.style.background = colour;
  const button = html('button', {type: 'button'}, swatch, html('span', {className: 'label', textContent: item.label || '(no label)'}),
    html('span', {className: 'number', textContent: item.score.toFixed(2)}), html('span', {className: 'place', textContent: place}));
  const row = html('li', {}, button);
  const mark = where ? draw(item, colour) : null;
  const light = yes => () => {
    button.classList.toggle('lit', yes);
    mark?.classList.toggle('lit', yes);
    at('marks').classList.toggle('some-lit', yes && mark !== null);
    if (yes && mark) at('marks').append(mark);  // above the others
  };
  for (const [begin, end] of [['pointerenter', 'pointerleave'], ['focus', 'blur']]) {
    button.addEventListener(begin, light(true));
    button.addEventListener(end, light(false));
  }
  mark?.addEventListener('pointerenter', () => {
    if (!mark.classList.contains('lit')) light(true)();
    const list = at('items');
    if (row.offsetTop < list.scrollTop || row.offsetTop + row.offsetHeight > list.scrollTop + list.clientHeight)
      list.scrollTop = row.offsetTop - list.clientHeight / 2;
  });
  mark?.addEventListener('pointerleave', light(false));
  mark?.addEventListener('click', () => button.focus());
  at('items').append(row);
  found.items.push({...item, number, colour, row, mark});
  filter();
}

/** One unit of the screen, in pixels of the picture. */
const unit = () => picture ? picture.width / Math.max(1, at('picture').clientWidth) : 1;

function draw(item, colour) {
  const group = svg('g', {});
  if (item.kind === 'box') {
    const [x1, y1, x2, y2] = item.box;
    const size = {x: x1, y: y1, width: Math.max(0, x2 - x1), height: Math.max(0, y2 - y1)};
    group.append(svg('rect', {...size, class: 'halo'}), svg('rect', {...size, class: 'edge', stroke: colour}));
  } else {
    const [cx, cy] = item.point;
    group.append(svg('circle', {cx, cy, class: 'halo point'}), svg('circle', {cx, cy, class: 'edge point', stroke: colour}));
  }
  const tag = svg('g', {class: 'tag'});
  tag.append(svg('rect', {fill: colour, height: 18, rx: 3}), svg('text', {x: 5, y: 13}));
  tag.lastChild.textContent = item.label;
  tag.firstChild.style.fill = colour;
  group.append(tag);
  at('marks').append(group);
  place(group, item);
  return group;
}

/** Labels and points keep their size on the screen. */
function place(group, item) {
  const u = unit(), [x, y] = item.kind === 'box' ? item.box : item.point;
  for (const point of group.querySelectorAll('.point')) point.setAttribute('r', 7 * u);
  const tag = group.querySelector('.tag'), width = tag.lastChild.getComputedTextLength() + 10;
  tag.firstChild.setAttribute('width', width);
  const left = Math.max(0, Math.min(x, picture.width - width * u));
  const above = item.kind === 'box' ? y - 19 * u : y + 10 * u;
  const top = Math.max(0, Math.min(above, picture.height - 18 * u));
  tag.setAttribute('transform', `translate(${left} ${top}) scale(${u})`);
}

function filter() {
  const least = Number(at('score').value);
  at('score-value').textContent = least.toFixed(2);
  for (const item of found.items) {
    const shown = item.score >= least;
    item.row.hidden = !shown;
    if (item.mark) item.mark.style.display = shown ? '' : 'none';
  }
  // With many, labels would hide the picture: those of the lit box alone are shown.
  at('marks').classList.toggle('many', found.items.length > 30);
  count();
}

const shown = () => found.items.filter(item => item.score >= Number(at('score').value));
function count() {
  const all = found.items.length, some = shown().length;
  at('count').textContent = !all ? (found.answer ? 'Nothing found' : 'Nothing yet')
    : some === all ? `${all} found` : `${some} of ${all} shown`;
}

function finish(answer) {
  if (answer.items.length !== found.items.length) {  // found in parts, and joined
    const kept = found.answer;
    clear();
    found.answer = kept;
    answer.items.forEach(item => add({...item}));
  }
  found.answer = answer;
  count();
  const s = answer.seconds, total = s.preprocess + s.vision + s.prefill + s.decode;
  const time = seconds => seconds < 1 ? `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms` : `${seconds.toFixed(2)} s`;
  const threads = answer.threads ? `${answer.threads} ${answer.threads > 1 ? 'threads' : 'thread'}, ` : '';
  const facts = [['Time', `${time(total)}: picture ${time(s.preprocess + s.vision)}, prompt ${time(s.prefill)}, answer ${time(s.decode)}`],
    ['Tokens', `${answer.token_ids.length} in ${answer.forward_steps} passes, ${answer.mode}`],
    ['Ran on', `${answer.isa}, ${threads}weights ${answer.weights}, activations ${answer.activations}`]];
  if (picture.scale < 1) facts.push(['Sent', `shrunk to ${Math.round(picture.width * picture.scale)} × ${Math.round(picture.height * picture.scale)}`]);
  if (answer.warnings.length) facts.push(['Warnings', answer.warnings.join('; ')]);
  at('facts').replaceChildren(...facts.flatMap(([name, text]) => [html('dt', {textContent: name}), html('dd', {textContent: text})]));
  at('facts').hidden = at('saves').hidden = false;
  say(`${at('count').textContent} in ${time(total)}.`);
}

// Files to keep

function save(name, blob) {
  const link = html('a', {href: URL.createObjectURL(blob), download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const text = (value, type = 'application/json') => new Blob([typeof value === 'string' ? value : JSON.stringify(value, null, 1) + '\n'], {type});
const plain = ({label, kind, box, point, score, label_score}) => ({label, kind, ...(box && {box}), ...(point && {point}), score, label_score});

function coco() {
  const boxes = shown().filter(item => item.kind === 'box'), names = [...new Set(boxes.map(item => item.label))];
  return {
    images: [{id: 1, file_name: picture.name, width: picture.width, height: picture.height}],
    categories: names.map((name, i) => ({id: i + 1, name})),
    annotations: boxes.map((item, i) => {
      const [x1, y1, x2, y2] = item.box;
      return {id: i + 1, image_id: 1, category_id: names.indexOf(item.label) + 1, bbox: [x1, y1, x2 - x1, y2 - y1],
        area: (x2 - x1) * (y2 - y1), iscrowd: 0, score: item.score};
    }),
  };
}

function yolo() {
  const boxes = shown().filter(item => item.kind === 'box'), names = [...new Set(boxes.map(item => item.label))];
  const lines = boxes.map(item => {
    const [x1, y1, x2, y2] = item.box, {width, height} = picture;
    return [names.indexOf(item.label), ...[(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]
      .map(n => n.toFixed(6))].join(' ');
  });
  return names.map((name, i) => `# ${i} ${name}\n`).join('') + lines.map(line => line + '\n').join('');
}

async function png() {
  const bitmap = await createImageBitmap(picture.file);
  const canvas = new OffscreenCanvas(picture.width, picture.height), to = canvas.getContext('2d');
  to.drawImage(bitmap, 0, 0);
  bitmap.close();
  const u = Math.max(1, Math.max(picture.width, picture.height) / 1000);
  to.font = `600 ${13 * u}px sans-serif`;
  for (const item of shown()) {
    if (!item.mark) continue;
    to.strokeStyle = to.fillStyle = item.colour;
    to.lineWidth = 2.5 * u;
    const [x, y] = item.box || item.point;
    to.beginPath();
    if (item.box) to.rect(x, y, item.box[2] - x, item.box[3] - y);
    else to.arc(x, y, 6 * u, 0, 7);
    to.stroke();
    const wide = to.measureText(item.label).width + 8 * u, left = Math.max(0, Math.min(x, picture.width - wide)), top = Math.max(0, y - 18 * u);
    to.fillRect(left, top, wide, 18 * u);
    to.fillStyle = '#fff';
    to.fillText(item.label, left + 4 * u, top + 13 * u);
  }
  return canvas.convertToBlob();
}

const stem = () => picture.name.replace(/\.[^.]*$/, '');
const saves = {
  json: () => save(`${stem()}.json`, text({...found.answer, image: picture.name, width: picture.width, height: picture.height, items: shown().map(plain)})),
  png: async () => save(`${stem()}-found.png`, await png()),
  coco: () => save(`${stem()}-coco.json`, text(coco())),
  yolo: () => save(`${stem()}.txt`, text(yolo(), 'text/plain')),
};

// Hands

function changeTask() {
  const task = at('task').value, none = task === 'detect-text';
  at('phrase').disabled = none;
  at('phrase-label').textContent = none ? 'Nothing to say: all text' : task === 'detect' ? 'Categories, with commas' : 'What to find';
  at('phrase').placeholder = none ? '' : task === 'detect' ? 'red circle, green star' : 'the red car on the left';
}

at('server').value = location.protocol.startsWith('http') ? location.origin : 'http://127.0.0.1:8080';
at('ask').addEventListener('submit', event => { event.preventDefault(); ask(); });
at('stop').addEventListener('click', stop);
at('task').addEventListener('change', changeTask);
at('score').addEventListener('input', filter);
for (const id of ['file', 'camera'])
  at(id).addEventListener('change', event => { take(event.target.files[0]); event.target.value = ''; });
for (const button of document.querySelectorAll('[data-example]')) button.addEventListener('click', () => example(button.dataset.example));
for (const button of document.querySelectorAll('[data-save]')) button.addEventListener('click', () => saves[button.dataset.save]());
document.addEventListener('keydown', event => { if (event.key === 'Escape') stop(); });
document.addEventListener('paste', event => {
  const file = [...event.clipboardData.files].find(one => one.type.startsWith('image/'));
  if (file) { event.preventDefault(); take(file, 'pasted.png'); }
});
addEventListener('dragover', event => { event.preventDefault(); at('stage').classList.add('over'); });
addEventListener('dragleave', event => { if (!event.relatedTarget) at('stage').classList.remove('over'); });
addEventListener('drop', event => {
  event.preventDefault();
  at('stage').classList.remove('over');
  const file = event.dataTransfer.files[0];
  if (file) take(file);
  else fail('What was dropped is no file. Save the picture first, then drop it.');
});
new ResizeObserver(() => { for (const item of found.items) if (item.mark) place(item.mark, item); }).observe(at('picture'));

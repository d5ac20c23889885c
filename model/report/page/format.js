// Numbers and elements. Every text that comes from the data goes through textContent or text().

const PREFIXES = [[1e18, 'E'], [1e15, 'P'], [1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k'], [1, ''],
  [1e-3, 'm'], [1e-6, 'µ'], [1e-9, 'n'], [1e-12, 'p']];

function si(value, unit) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (value === 0) return '0 ' + unit;
  const size = Math.abs(value) * (1 + 1e-9);
  const [factor, prefix] = PREFIXES.find(([f]) => size >= f) || PREFIXES[PREFIXES.length - 1];
  return digits(value / factor) + ' ' + prefix + unit;
}

function digits(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 1e6 || size < 1e-3) return value.toExponential(2);
  if (size >= 1000) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}

function percent(share) {
  if (share === null || share === undefined || !Number.isFinite(share)) return '–';
  return (100 * share).toFixed(1) + ' %';
}

const dollars = value => (value === null || value === undefined) ? '–' :
  '$ ' + (Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en') :
    Math.abs(value) >= 0.1 || value === 0 ? value.toFixed(2) : String(Number(value.toPrecision(2))));

/// Text for inside the HTML of a tooltip.
function text(value) {
  return String(value).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

/// element('p', {class: 'soft'}, 'words', otherElement)
function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

const narrow = () => window.innerWidth < 820;

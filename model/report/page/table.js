// Tables: sortable, downloadable as CSV, as wide as they need inside a box that scrolls.

function csvField(value) {
  const plain = value === null || value === undefined ? '' : String(value);
  return /[",\n]/.test(plain) ? '"' + plain.replace(/"/g, '""') + '"' : plain;
}

function csvText(columns, rows) {
  const lines = [columns.map(c => csvField(c.unit ? c.name + ' [' + c.unit + ']' : c.name)).join(',')];
  for (const row of rows) lines.push(row.map(csvField).join(','));
  return lines.join('\n') + '\n';
}

function download(name, content, type) {
  const link = element('a', {href: URL.createObjectURL(new Blob([content], {type})), download: name});
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const ROWS_SHOWN = 300;

/// columns: [{name, unit?, show?(value) -> text, wide?}]; rows: arrays of raw values. The CSV holds
/// the raw values of all rows, the table the first ROWS_SHOWN as `show` writes them.
function dataTable(name, columns, rows) {
  const numeric = columns.map((c, i) => rows.some(r => typeof r[i] === 'number'));
  const body = element('tbody');
  const state = {column: -1, down: false};
  const order = () => {
    if (state.column < 0) return rows;
    const i = state.column;
    const sign = state.down ? -1 : 1;
    return [...rows].sort((a, b) => {
      const x = a[i], y = b[i];
      if (x === y) return 0;
      if (x === null || x === undefined) return 1;
      if (y === null || y === undefined) return -1;
      return (x < y ? -1 : 1) * sign;
    });
  };
  const fill = () => {
    body.replaceChildren(...order().slice(0, ROWS_SHOWN).map(row => element('tr', {},
      columns.map((c, i) => element('td', {class: c.wide ? 'wide' : numeric[i] ? 'number' : null},
        row[i] === null || row[i] === undefined ? '–' : c.show ? c.show(row[i], row) :
          typeof row[i] === 'number' ? digits(row[i]) : String(row[i]))))));
  };
  const heads = columns.map((c, i) => {
    const head = element('th', {scope: 'col', class: numeric[i] ? 'number' : null});
    head.append(element('button', {type: 'button', title: 'Sort', onclick: () => {
      state.down = state.column === i ? !state.down : numeric[i];
      state.column = i;
      heads.forEach(h => h.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', state.down ? 'descending' : 'ascending');
      fill();
    }}, c.name + (c.unit ? ' [' + c.unit + ']' : '')));
    return head;
  });
  fill();
  const table = element('table', {}, element('thead', {}, element('tr', {}, heads)), body);
  const box = element('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': name}, table);
  const button = element('button', {type: 'button', class: 'csv', onclick: () =>
    download(name.toLowerCase().replace(/[^a-z0-9]+/g, '-') + '.csv', csvText(columns, rows), 'text/csv')},
    'Download CSV');
  const more = rows.length > ROWS_SHOWN ?
    element('span', {class: 'soft'}, ROWS_SHOWN + ' of ' + rows.length.toLocaleString('en') +
      ' rows shown; the CSV holds all') : null;
  return element('div', {}, box, element('div', {class: 'bar'}, button, more));
}

/// The same, folded away and made when it is opened; `rows` may be a function that makes them.
function foldedTable(name, columns, rows, words = 'Data: ' + name) {
  const node = element('details', {}, element('summary', {}, words));
  node.addEventListener('toggle', () => {
    if (node.open && node.childElementCount === 1) {
      node.append(dataTable(name, columns, typeof rows === 'function' ? rows() : rows));
    }
  });
  return node;
}

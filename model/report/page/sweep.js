// A sweep: the front, the designs behind it, what moves what.

/// Rows as objects would cost a page of ten thousand designs its second: these read the columns.
function sweepReader(sweep) {
  const t = sweep.table;
  const settings = Object.keys(t.settings);
  const axes = settings.map(key => {
    const {texts, index} = t.settings[key];
    const numbers = texts.map(x => parseFloat(x));
    const numeric = numbers.every(Number.isFinite);
    const order = texts.map((x, i) => i).sort((a, b) => numeric ? numbers[a] - numbers[b] : texts[a] < texts[b] ? -1 : 1);
    const rank = [];
    order.forEach((place, i) => { rank[place] = i; });
    return {key, texts, index, ranked: order.map(i => texts[i]), rank, varies: texts.length > 1};
  });
  const count = t.candidate.length;
  const isReference = i => !/^\d+$/.test(t.candidate[i]);
  const value = (name, i) => t.columns[name] ? t.columns[name][i] : null;
  const settingText = (axis, i) => axis.index[i] < 0 ? '' : axis.texts[axis.index[i]];
  const tier = i => t.tier.texts[t.tier.index[i]];
  const reason = i => t.reasons.index[i] < 0 ? '' : t.reasons.texts[t.reasons.index[i]];
  return {t, axes, count, isReference, value, settingText, tier, reason, columns: sweep.columns};
}

const unitText = (column, v) => digits(v) + (column.unit ? ' ' + column.unit : '');
const heading = column => column.name + (column.unit ? ' [' + column.unit + ']' : '');

function sweepSections(sweep) {
  const r = sweepReader(sweep);
  const objectives = r.columns.filter(c => c.direction !== 'report');
  const all = Array.from({length: r.count}, (_, i) => i);
  const usable = all.filter(i => r.columns.some(c => r.value(c.name, i) !== null));
  const front = all.filter(i => r.t.front[i]);
  const failed = r.count - usable.length;
  const lastTier = front.length ? r.t.tier.index[front[0]] : Math.max(0, ...r.t.tier.index);
  const reference = all.find(i => r.isReference(i) && r.t.tier.index[i] === lastTier);
  const base = reference !== undefined ? reference : front[0];

  const tip = i => {
    const lines = ['<b>' + (r.isReference(i) ? text(r.t.candidate[i]) : 'design ' + text(r.t.candidate[i])) + '</b> · ' + text(r.tier(i)) +
      (r.t.front[i] ? ' · on the front' : r.t.feasible[i] ? '' : ' · ' + text(r.reason(i)))];
    for (const c of r.columns) {
      const v = r.value(c.name, i);
      const b = base === undefined ? null : r.value(c.name, base);
      lines.push(text(c.name) + ' ' + text(unitText(c, v)) + (b && i !== base ? ' (' + digits(v / b) + ' × ' + text(String(
        r.isReference(base) ? r.t.candidate[base] : 'design ' + r.t.candidate[base])) + ')' : ''));
    }
    const other = base === undefined || r.isReference(base) ? null : base;
    for (const a of r.axes) {
      const mine = r.settingText(a, i);
      if (!mine) continue;
      const theirs = other === null ? '' : r.settingText(a, other);
      if (other === null || i === other || mine !== theirs) lines.push(text(a.key) + ' = ' + text(mine) + (theirs && theirs !== mine ?
        ' (not ' + text(theirs) + ')' : ''));
    }
    return lines.join('<br>');
  };

  let x = (objectives[0] || r.columns[0]).name;
  let y = (objectives[1] || r.columns[1] || r.columns[0]).name;
  const columnOf = name => r.columns.find(c => c.name === name);
  // Decades of difference are read on a logarithmic axis, anything less on a plain one.
  const wide = name => {
    const values = usable.map(i => r.value(name, i)).filter(v => v !== null);
    const low = values.reduce((a, b) => Math.min(a, b), Infinity);
    return low > 0 && values.reduce((a, b) => Math.max(a, b), 0) / low > 30;
  };
  const points = places => places.filter(i => r.value(x, i) !== null && r.value(y, i) !== null)
    .map(i => ({value: [r.value(x, i), r.value(y, i)], place: i}));
  const options = r.columns.map(c => [c.name, heading(c)]);
  const first = name => [options.find(o => o[0] === name), ...options.filter(o => o[0] !== name)];
  const pareto = figure({
    title: 'Every design on two measures',
    note: 'Diamonds: fixed designs to compare with. The front holds the designs that none beats in every objective (' +
      objectives.map(o => o.name + ' ' + (o.direction === 'minimise' ? '↓' : '↑')).join(', ') +
      '). Hover shows what a design sets differently from ' + (base === undefined ? 'the others' : r.isReference(base) ? 'its neighbours' :
        'design ' + r.t.candidate[base]) + '.',
    height: narrow() ? 400 : 500,
    controls: element('div', {class: 'bar'}, choice('Across', first(x), v => { x = v; pareto.redraw(); }),
      choice('Up', first(y), v => { y = v; pareto.redraw(); })),
    option: () => {
      const plain = usable.filter(i => !r.t.front[i] && !r.isReference(i));
      const scatter = (name, places, more) => Object.assign({name, type: 'scatter', data: points(places)}, more);
      const axis = name => ({type: wide(name) ? 'log' : 'value', scale: true, name: heading(columnOf(name)), nameLocation: 'middle',
        axisLabel: {formatter: v => digits(v)}});
      const two = objectives.length === 2 && objectives.some(o => o.name === x) && objectives.some(o => o.name === y);
      return {
        legend: {},
        grid: {left: 24, right: 24, top: 40, bottom: 44, containLabel: true},
        tooltip: {trigger: 'item', formatter: p => p.data && p.data.place !== undefined ? tip(p.data.place) : ''},
        dataZoom: [{type: 'inside', xAxisIndex: 0, zoomOnMouseWheel: 'ctrl', moveOnMouseWheel: false},
          {type: 'inside', yAxisIndex: 0, zoomOnMouseWheel: 'ctrl', moveOnMouseWheel: false}],
        xAxis: Object.assign(axis(x), {nameGap: 28}), yAxis: Object.assign(axis(y), {nameGap: narrow() ? 42 : 52}),
        series: [
          scatter('meets the constraints', plain.filter(i => r.t.feasible[i]), {symbolSize: 6, itemStyle: {color: theme.colours[4], opacity: .55}}),
          scatter('breaks a constraint', plain.filter(i => !r.t.feasible[i]), {symbol: 'emptyCircle', symbolSize: 5,
            itemStyle: {color: theme.colours[6], opacity: .45}}),
          scatter('front', front, {symbolSize: 10, z: 4, itemStyle: {color: theme.colours[5], borderColor: theme.panel, borderWidth: 1}}),
          ...(two ? [{name: 'front', type: 'line', silent: true, symbol: 'none', z: 3, step: false, tooltip: {show: false},
            lineStyle: {color: theme.colours[5], width: 1.5}, data: points(front).map(p => p.value).sort((a, b) => a[0] - b[0])}] : []),
          scatter('fixed designs', usable.filter(r.isReference), {symbol: 'diamond', symbolSize: 17, z: 5, itemStyle: {color: theme.colours[2],
            borderColor: theme.ink, borderWidth: 1}, label: {show: true, position: 'right', color: theme.ink,
            formatter: p => r.t.candidate[p.data.place]}}),
        ].filter(s => s.data.length),
      };
    },
  });

  const varied = r.axes.filter(a => a.varies).slice(0, 8);
  const dims = [...varied.map(a => ({axis: a})), ...r.columns.slice(0, 6).map(c => ({column: c}))];
  const drawnLines = usable.filter(i => !r.isReference(i) && r.t.feasible[i] && !r.t.front[i]);
  const LINES = 2000;
  const thin = drawnLines.filter((_, i) => i % Math.ceil(Math.max(1, drawnLines.length / LINES)) === 0);
  const lineValue = i => dims.map(d => d.axis ? (d.axis.index[i] < 0 ? '-' : d.axis.rank[d.axis.index[i]]) : r.value(d.column.name, i));
  const parallel = varied.length + objectives.length < 2 ? null : figure({
    title: 'Parallel coordinates',
    note: 'One line per design through its settings and measures; the front on top. Drag along an axis to keep only what passes there.' +
      (thin.length < drawnLines.length ? ' ' + thin.length.toLocaleString('en') + ' of ' + drawnLines.length.toLocaleString('en') +
        ' designs behind the front are drawn, evenly chosen.' : ''),
    height: 440,
    option: () => ({
      legend: {},
      parallel: {left: narrow() ? 30 : 70, right: narrow() ? 40 : 90, top: 78, bottom: 30},
      parallelAxis: dims.map((d, i) => ({dim: i, name: d.axis ? d.axis.key.replace(/^chip\./, '') : heading(d.column),
        nameTextStyle: {color: theme.ink, fontSize: 11, width: narrow() ? 60 : 110, overflow: 'break'}, nameRotate: narrow() ? 50 : 0,
        axisLine: {lineStyle: {color: theme.soft}}, axisLabel: {color: theme.soft, fontSize: 10,
          formatter: v => d.axis ? (d.axis.ranked[Math.round(v)] !== undefined && Number.isInteger(v) ? d.axis.ranked[v] : '') : digits(v)},
        type: 'value', minInterval: d.axis ? 1 : undefined, scale: true, min: d.axis ? 0 : 'dataMin', max: d.axis ? d.axis.texts.length - 1 : 'dataMax'})),
      tooltip: {trigger: 'item', formatter: p => p.data && p.data.place !== undefined ? tip(p.data.place) : ''},
      series: [
        {name: 'designs', type: 'parallel', lineStyle: {color: theme.colours[4], width: 1, opacity: thin.length > 300 ? .12 : .4}, progressive: 500,
          data: thin.map(i => ({value: lineValue(i), place: i}))},
        {name: 'front', type: 'parallel', lineStyle: {color: theme.colours[5], width: 2, opacity: .85}, z: 3,
          data: front.slice(0, 300).map(i => ({value: lineValue(i), place: i}))},
      ],
    }),
  });

  const effects = (sweep.effects || []).filter(e => e.axes.some(a => a.swing > 0));
  let effect = 0;
  const tornado = !effects.length ? null : figure({
    title: 'What moves what',
    note: 'From the lowest to the highest mean over the other axes; the wider, the more this axis matters.',
    height: 90 + 34 * Math.max(...effects.map(e => e.axes.length)),
    controls: element('div', {class: 'bar'}, choice('Measure', effects.map((e, i) => [i, e.column]), v => { effect = Number(v); tornado.redraw(); })),
    option: () => {
      const column = columnOf(effects[effect].column) || {name: effects[effect].column};
      const bars = effects[effect].axes.map(a => {
        const means = a.means.filter(m => m.mean !== null);
        const low = means.reduce((p, m) => m.mean < p.mean ? m : p, means[0]);
        const high = means.reduce((p, m) => m.mean > p.mean ? m : p, means[0]);
        return {key: a.key, low, high, swing: a.swing};
      }).filter(b => b.low).sort((a, b) => b.swing - a.swing);
      return {
        grid: {left: 8, right: 24, top: 12, bottom: 40, containLabel: true},
        tooltip: {trigger: 'item', formatter: p => { const b = bars[p.dataIndex]; return '<b>' + text(b.key) + '</b><br>' +
          text(b.low.value) + ': ' + text(unitText(column, b.low.mean)) + '<br>' + text(b.high.value) + ': ' + text(unitText(column, b.high.mean)) +
          '<br>swing ' + percent(b.swing) + ' of the mean'; }},
        xAxis: {type: 'value', scale: true, name: heading(column), nameLocation: 'middle', nameGap: 26, axisLabel: {formatter: v => digits(v)}},
        yAxis: {type: 'category', inverse: true, data: bars.map(b => b.key), axisLabel: {color: theme.ink, width: narrow() ? 130 : 260, overflow: 'truncate'}},
        series: [{type: 'bar', stack: 'e', silent: true, itemStyle: {color: 'transparent'}, data: bars.map(b => b.low.mean)},
          {type: 'bar', stack: 'e', barMaxWidth: 20, itemStyle: {color: theme.colours[0]}, data: bars.map(b => b.high.mean - b.low.mean)}],
      };
    },
    table: {columns: [{name: 'measure'}, {name: 'axis'}, {name: 'value'}, {name: 'mean'}, {name: 'designs'}],
      rows: effects.flatMap(e => e.axes.flatMap(a => a.means.map(m => [e.column, a.key, m.value, m.mean, m.rows])))},
  });

  const volume = sweep.hypervolume || [];
  const progress = volume.length < 2 ? null : figure({
    title: 'How the search went', note: 'Share of the objectives’ box that the designs found so far dominate.', height: 260,
    option: () => ({
      grid: {left: 8, right: 24, top: 20, bottom: 40, containLabel: true}, tooltip: {trigger: 'axis'},
      xAxis: {type: 'value', name: 'designs evaluated', nameLocation: 'middle', nameGap: 26}, yAxis: {type: 'value', scale: true},
      series: [{name: 'hypervolume', type: 'line', data: volume.map(v => [v.evaluations, v.hypervolume])}],
    }),
    table: {columns: [{name: 'designs'}, {name: 'hypervolume'}], rows: volume.map(v => [v.evaluations, v.hypervolume])},
  });

  const tableColumns = [{name: 'tier'}, {name: 'design'}, ...r.axes.map(a => ({name: a.key})), ...r.columns.map(c => ({name: c.name, unit: c.unit})),
    {name: 'front'}, {name: 'reason', wide: true}];
  const row = i => [r.tier(i), r.t.candidate[i], ...r.axes.map(a => r.settingText(a, i)), ...r.columns.map(c => r.value(c.name, i)),
    r.t.front[i] ? 'yes' : '', r.reason(i)];
  const frontAndFixed = [...front, ...all.filter(i => r.isReference(i) && r.t.tier.index[i] === lastTier)];
  const intro = [element('p', {class: 'verdict'}, (sweep.description ? sweep.description + ': ' : '') + r.count.toLocaleString('en') + ' designs by ' +
    ((sweep.search || {}).optimizer || 'grid') + ', ' + front.length.toLocaleString('en') + ' on the front' + (failed ? ', ' + failed.toLocaleString('en') + ' failed' : '') + '.')];
  for (const warning of sweep.warnings || []) intro.push(element('p', {class: 'bad'}, 'Warning: ' + warning));
  for (const a of sweep.rank_correlation || []) {
    intro.push(element('p', {}, 'Ranks of ' + a.objective + ' agree between ' + a.from + ' and ' + a.to + ': ' + digits(a.spearman) + ' over ' + a.designs + ' designs.'));
  }
  const tables = [element('h3', {}, 'The front'), dataTable('Front', tableColumns, frontAndFixed.map(row)),
    foldedTable('Designs', tableColumns, () => all.map(row), 'All designs')];
  return [['sweep', 'Sweep', intro], ['front', 'Front', [pareto, ...tables]],
    ...(parallel ? [['parallel', 'Settings and measures', [parallel]]] : []),
    ...(tornado ? [['effects', 'What moves what', [tornado, progress]]] : [])];
}

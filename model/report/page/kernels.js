// A run's kernels: time, roofline, traffic, one pass through the blocks.

/// Every kernel of every side and phase, with what it is called in pictures.
function kernelsOf(run) {
  const out = [];
  for (const side of sidesOf(run)) {
    for (const phase of side.phases) {
      for (const kernel of phase.kernels || []) {
        out.push(Object.assign({chip: side.chip, phase: phase.name, share: phase.time_s > 0 ? kernel.time_s / phase.time_s : 0,
          bytes: kernel.memory_read_bytes + kernel.memory_written_bytes}, kernel));
      }
    }
  }
  return out;
}

const kernelTable = kernels => ({
  columns: [{name: 'chip'}, {name: 'phase'}, {name: 'kernel'}, {name: 'block'}, {name: 'executions'},
    {name: 'time', unit: 's', show: v => si(v, 's')}, {name: 'flops', unit: 'flop', show: v => si(v, 'flop')},
    {name: 'HBM read', unit: 'B', show: v => si(v, 'B')}, {name: 'HBM written', unit: 'B', show: v => si(v, 'B')},
    {name: 'cache hits', unit: 'B', show: v => si(v, 'B')}, ...BOUNDS.map(b => ({name: b, show: percent})),
    {name: 'mapping'}],
  rows: kernels.map(k => [k.chip, k.phase, k.name, k.block, k.executions, k.time_s, k.flops, k.memory_read_bytes,
    k.memory_written_bytes, k.cache_hit_bytes, ...BOUNDS.map(b => k.bound[b]), k.mapping]),
});

const KERNELS_DRAWN = 18;

/// The longest kernels of one chip and phase, in the order of the program.
function longest(kernels, chip, phase) {
  const mine = kernels.filter(k => k.chip === chip && k.phase === phase);
  const kept = new Set([...mine].sort((a, b) => b.time_s - a.time_s).slice(0, KERNELS_DRAWN));
  return mine.filter(k => kept.has(k));
}

const kernelTip = k => '<b>' + text(k.name) + '</b> · ' + text(k.chip) + ' · ' + text(k.phase) +
  '<br>' + si(k.time_s, 's') + ' (' + percent(k.share) + ' of the phase), ' + digits(k.executions) + ' executions' +
  '<br>' + si(k.flops, 'flop') + ', ' + si(k.bytes, 'B') + ' of HBM traffic' +
  '<br>bound by ' + text(BOUND_WORDS[mainBound(k.bound)]) + ' (' + percent(k.bound[mainBound(k.bound)]) + ')' +
  (k.mapping ? '<br><small>' + text(k.mapping) + '</small>' : '');

function kernelTimeFigures(run) {
  const kernels = kernelsOf(run);
  if (!kernels.length) return [];
  const views = [];
  for (const side of sidesOf(run)) {
    for (const phase of side.phases) {
      if ((phase.kernels || []).length) views.push({chip: side.chip, phase: phase.name});
    }
  }
  let view = 0;
  const current = () => longest(kernels, views[view].chip, views[view].phase);
  const label = v => v.chip + ' · ' + v.phase;
  const stack = figure({
    title: 'What each kernel waits for',
    note: 'Each bar is one kernel and adds to 100 %; kernels in the order of the program, the ' + KERNELS_DRAWN +
      ' longest of them.',
    height: 80 + 30 * Math.max(...views.map(v => longest(kernels, v.chip, v.phase).length)),
    controls: element('div', {class: 'bar'}, choice('Show', views.map((v, i) => [i, label(v)]), value => {
      view = Number(value);
      stack.redraw();
      bars.redraw();
    })),
    option: () => {
      const shown = current();
      return boundBars(shown.map(k => k.name), shown.map(k => k.bound), i => '<br>' + si(shown[i].time_s, 's') + ', ' +
        percent(shown[i].share) + ' of the phase');
    },
    table: kernelTable(kernels),
  });
  const bars = figure({
    title: 'Time of each kernel',
    note: run.vs ? 'The same kernel on both machines; the shorter bar wins.' : 'All executions together.',
    height: 80 + 34 * Math.max(...views.map(v => longest(kernels, v.chip, v.phase).length)),
    option: () => {
      const phase = views[view].phase;
      const names = [...new Set(sidesOf(run).flatMap(s => longest(kernels, s.chip, phase).map(k => k.name)))];
      const timeOf = (chip, name) => kernels.filter(k => k.chip === chip && k.phase === phase && k.name === name)
        .reduce((sum, k) => sum + k.time_s, 0);
      return {
        legend: {}, grid: {left: 8, right: 24, top: 36, bottom: 24, containLabel: true},
        aria: {enabled: true, decal: {show: Boolean(run.vs)}},
        tooltip: {trigger: 'axis', axisPointer: {type: 'shadow'}, formatter: items => '<b>' + text(items[0].name) + '</b><br>' +
          items.map(i => text(i.seriesName) + ': ' + si(i.value, 's')).join('<br>')},
        xAxis: {type: 'value', axisLabel: {formatter: v => si(v, 's')}},
        yAxis: {type: 'category', inverse: true, data: names,
          axisLabel: {color: theme.ink, width: narrow() ? 110 : 260, overflow: 'truncate'}},
        series: sidesOf(run).map(s => ({name: s.chip, type: 'bar', barMaxWidth: 14, data: names.map(n => timeOf(s.chip, n))})),
      };
    },
  });
  return [stack, bars, passFigure(run, kernels)];
}

/// One execution of every kernel after the other: the layer as a strip per chip.
function passFigure(run, kernels) {
  const lanes = [];
  for (const side of sidesOf(run)) {
    for (const phase of side.phases) lanes.push({chip: side.chip, phase: phase.name, label: side.chip + ' · ' + phase.name});
  }
  const names = [...new Set(kernels.map(k => k.name))];
  const of = (lane, name) => kernels.find(k => k.chip === lane.chip && k.phase === lane.phase && k.name === name);
  return figure({
    title: 'One pass through every block',
    note: 'One execution of each kernel at its mean duration, one after the other. The slider below zooms.' +
      (data.trace ? ' The full timeline is in ' + data.trace + ' beside this page: open it at ui.perfetto.dev.' : ''),
    height: 130 + 48 * lanes.length,
    option: () => ({
      aria: {enabled: true, decal: {show: true}},
      legend: {data: names},
      grid: {left: 8, right: 24, top: 36, bottom: 62, containLabel: true},
      dataZoom: [{type: 'slider', xAxisIndex: 0, height: 18, bottom: 8, filterMode: 'none',
        labelFormatter: v => si(v, 's'), textStyle: {color: theme.soft}},
      {type: 'inside', xAxisIndex: 0, filterMode: 'none', zoomOnMouseWheel: 'ctrl', moveOnMouseWheel: false}],
      tooltip: {trigger: 'item', formatter: p => {
        const kernel = of(lanes[p.dataIndex], p.seriesName);
        return kernel ? kernelTip(kernel) + '<br>one execution: ' + si(p.value, 's') : '';
      }},
      xAxis: {type: 'value', axisLabel: {formatter: v => si(v, 's')}},
      yAxis: {type: 'category', inverse: true, data: lanes.map(l => l.label),
        axisLabel: {color: theme.ink, width: narrow() ? 90 : 220, overflow: 'truncate'}},
      series: names.map((name, i) => ({name, type: 'bar', stack: 'pass', barMaxWidth: 30,
        itemStyle: {color: theme.colours[i % theme.colours.length], borderColor: theme.panel, borderWidth: .5},
        data: lanes.map(lane => { const k = of(lane, name); return k ? k.time_s / Math.max(1, k.executions) : 0; })})),
    }),
  });
}

/// Peak rate of one chip, from the run's own share of peak.
function peakOf(side) {
  return side.mfu > 0 && side.time_s > 0 ? side.flops / (side.time_s * side.mfu * side.chips) : 0;
}

function rooflineFigures(run) {
  const kernels = kernelsOf(run).filter(k => k.flops > 0 && k.bytes > 0 && k.time_s > 0);
  if (!kernels.length) return [element('p', {}, 'This result names no kernel with both matrix work and memory traffic.')];
  const point = k => [k.flops / k.bytes, k.flops / k.time_s];
  const sides = sidesOf(run);
  const roof = side => {
    const bandwidth = (data.chips && data.chips[side.chip] || {}).memory_bytes_per_s || 0;
    return {peak: peakOf(side), bandwidth};
  };
  const xs = kernels.map(k => point(k)[0]);
  const ridges = sides.map(s => roof(s).bandwidth ? roof(s).peak / roof(s).bandwidth : 1);
  const from = 10 ** Math.floor(Math.log10(Math.min(...xs, ...ridges) / 2));
  const to = 10 ** Math.ceil(Math.log10(Math.max(...xs, ...ridges) * 3));
  const line = side => {
    const {peak, bandwidth} = roof(side);
    if (!peak) return [];
    if (!bandwidth) return [[from, peak], [to, peak]];
    return [[from, from * bandwidth], [peak / bandwidth, peak], [to, peak]];
  };
  const symbols = ['circle', 'diamond'];
  const phases = run.phases.map(p => p.name);
  return [figure({
    title: 'Every kernel under the roofs',
    note: 'Every kernel as a dot (' + sides.map((s, i) => s.chip + ': ' + symbols[i]).join(', ') + '; hollow: ' +
      (phases[1] || 'second phase') + '). The lines are what each chip allows: memory bandwidth on the slope, matrix peak on ' +
      'top. Bytes are those that reached HBM, so cache hits and scratchpad reuse move a dot to the right. Kernels without ' +
      'matrix work are in the table of memory traffic.',
    height: narrow() ? 380 : 480,
    option: () => ({
      legend: {},
      grid: {left: 12, right: 24, top: 40, bottom: 44, containLabel: true},
      tooltip: {trigger: 'item', formatter: p => p.data.kernel ? kernelTip(p.data.kernel) + '<br>' + digits(p.value[0]) +
        ' flop/B, ' + si(p.value[1], 'flop/s') : text(p.seriesName)},
      xAxis: {type: 'log', name: 'flop per byte of HBM traffic', nameLocation: 'middle', nameGap: 28, min: from, max: to,
        axisLabel: {formatter: v => digits(v)}},
      yAxis: {type: 'log', name: narrow() ? 'flop/s' : 'flop per second, one chip', axisLabel: {formatter: v => si(v, 'flop/s')}},
      series: sides.flatMap((side, i) => [
        {name: side.chip, type: 'scatter', symbol: symbols[i], z: 3,
          data: kernels.filter(k => k.chip === side.chip).map(k => ({value: point(k), kernel: k,
            symbolSize: 9 + 22 * Math.sqrt(Math.min(1, k.share)),
            itemStyle: k.phase === phases[0] ? {color: theme.colours[i ? 5 : 0], opacity: .85} :
              {color: 'transparent', borderColor: theme.colours[i ? 5 : 0], borderWidth: 2}})),
          itemStyle: {color: theme.colours[i ? 5 : 0]}},
        {name: side.chip + ' roof', type: 'line', symbol: 'none', data: line(side),
          lineStyle: {color: theme.colours[i ? 5 : 0], width: 2, type: i ? 'dashed' : 'solid'},
          itemStyle: {color: theme.colours[i ? 5 : 0]}},
      ]),
    }),
    table: {columns: [{name: 'chip'}, {name: 'phase'}, {name: 'kernel'}, {name: 'intensity', unit: 'flop/B'},
      {name: 'rate', unit: 'flop/s', show: v => si(v, 'flop/s')}, {name: 'share of peak', show: percent}, {name: 'bound by'}],
      rows: kernels.map(k => [k.chip, k.phase, k.name, ...point(k),
        peakOf(sides.find(s => s.chip === k.chip)) ? point(k)[1] / peakOf(sides.find(s => s.chip === k.chip)) : null,
        BOUND_WORDS[mainBound(k.bound)]])},
  })];
}

function trafficFigures(run) {
  const kernels = kernelsOf(run).filter(k => k.bytes + k.cache_hit_bytes > 0);
  if (!kernels.length) return [element('p', {}, 'This result names no memory traffic per kernel.')];
  const parts = [['read from HBM', 'memory_read_bytes', 5], ['written to HBM', 'memory_written_bytes', 1],
    ['hits in a cache', 'cache_hit_bytes', 4]];
  const keys = [...new Set(kernels.map(k => k.phase + '\u0000' + k.name))];
  const weight = key => kernels.filter(k => k.phase + '\u0000' + k.name === key).reduce((s, k) => s + k.bytes, 0);
  const heavy = new Set([...keys].sort((a, b) => weight(b) - weight(a)).slice(0, KERNELS_DRAWN));
  const shown = keys.filter(k => heavy.has(k));
  const sides = sidesOf(run);
  const labels = shown.map(k => run.phases.length > 1 ? k.replace('\u0000', ': ') : k.split('\u0000')[1]);
  const sum = (chip, key, field) => kernels.filter(k => k.chip === chip && k.phase + '\u0000' + k.name === key)
    .reduce((s, k) => s + k[field], 0);
  return [figure({
    title: 'Memory traffic of each kernel',
    note: 'Bytes per chip, all executions. ' + (run.vs ? 'Upper bar of a pair: ' + sides[0].chip + ', lower: ' + sides[1].chip + '.' : ''),
    height: 90 + (run.vs ? 40 : 26) * shown.length,
    option: () => ({
      aria: {enabled: true, decal: {show: true}},
      legend: {data: parts.map(p => p[0])},
      grid: {left: 8, right: 24, top: 36, bottom: 24, containLabel: true},
      tooltip: {trigger: 'axis', axisPointer: {type: 'shadow'}, formatter: items => '<b>' + text(items[0].name) + '</b>' +
        sides.map(s => '<br>' + text(s.chip) + '<br>' + parts.map(([words, field]) => '&nbsp; ' + words + ' ' +
          si(sum(s.chip, shown[items[0].dataIndex], field), 'B')).join('<br>')).join('')},
      xAxis: {type: 'value', axisLabel: {formatter: v => si(v, 'B')}},
      yAxis: {type: 'category', inverse: true, data: labels,
        axisLabel: {color: theme.ink, width: narrow() ? 110 : 260, overflow: 'truncate'}},
      series: sides.flatMap((side, i) => parts.map(([words, field, colour]) => ({name: words, type: 'bar', stack: side.chip + i,
        barMaxWidth: 14, itemStyle: {color: theme.colours[colour], opacity: i ? .7 : 1},
        data: shown.map(k => sum(side.chip, k, field))}))),
    }),
    table: kernelTable(kernels),
  })];
}

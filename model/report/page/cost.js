// What a chip costs: area, the way to its price, what the price depends on.

function areaFigure(cost) {
  const groups = {};
  for (const block of cost.area.blocks) {
    if (block.mm2 > 0) (groups[block.parent] = groups[block.parent] || []).push({name: block.name, value: block.mm2});
  }
  const parents = Object.entries(groups).map(([name, children]) =>
    ({name, children, value: children.reduce((s, c) => s + c.value, 0)})).sort((a, b) => b.value - a.value);
  const evidence = cost.area.evidence || {missing_mm2: 0, explained: []};
  const missing = cost.area.published_mm2 && evidence.missing_mm2 > 0.02 * cost.area.published_mm2 ? evidence.missing_mm2 : 0;
  if (missing) parents.push({name: 'not described', value: missing, plain: true, children: [{name: 'not described', value: missing}]});
  const total = cost.area.total_mm2 + missing;
  return figure({
    title: 'Area of ' + cost.chip,
    note: 'Modelled blocks of the compute die: ' + digits(cost.area.total_mm2) + ' mm²' +
      (cost.area.published_mm2 ? ' (published die: ' + digits(cost.area.published_mm2) + ' mm², which is what is priced)' : '') + '. ' +
      evidence.explained.map(s => s[0].toUpperCase() + s.slice(1) + '.').join(' '),
    height: 340,
    option: () => ({
      tooltip: {formatter: p => '<b>' + text(p.name) + '</b><br>' + digits(p.value) + ' mm², ' + percent(p.value / total)},
      series: [{type: 'treemap', roam: false, nodeClick: false, breadcrumb: {show: false}, top: 4, bottom: 4, left: 0, right: 0,
        upperLabel: {show: true, height: 22, color: '#000000', formatter: p => p.name},
        label: {formatter: p => p.name + '\n' + digits(p.value) + ' mm²', color: '#000000', lineHeight: 16, fontSize: 12},
        levels: [{itemStyle: {gapWidth: 3, borderWidth: 0}, upperLabel: {show: false}},
          {itemStyle: {gapWidth: 1, borderWidth: 2}, colorAlpha: [.55, .75]}],
        data: parents.map((p, i) => { const colour = p.plain ? '#b9bec5' : COLOURS.dark[i % 8];
          return Object.assign({itemStyle: {color: colour, borderColor: colour}}, p); })}],
    }),
    table: {columns: [{name: 'part'}, {name: 'block'}, {name: 'area', unit: 'mm2'}, {name: 'share', show: percent}],
      rows: cost.area.blocks.map(b => [b.parent, b.name, b.mm2, b.mm2 / total])},
  });
}

const PARTS = {dies_usd: 'dies', memory_usd: 'memory', interposer_usd: 'interposer', substrate_usd: 'substrate',
  bonding_loss_usd: 'loss in bonding', test_usd: 'test', module_usd: 'module'};

function waterfallFigure(cost) {
  const steps = Object.entries(PARTS).filter(([k]) => cost.package[k] > 0).map(([k, name]) => ({name, add: cost.package[k]}));
  let level = 0;
  for (const step of steps) { step.from = level; level += step.add; }
  steps.push({name: 'made', add: level, from: 0, total: true});
  const nre = cost.nre_per_chip_usd;
  steps.push({name: 'design (NRE)', add: nre, from: level});
  steps.push({name: 'with NRE', add: level + nre, from: 0, total: true});
  return figure({
    title: 'From parts to the cost of ' + cost.chip,
    note: 'Nominal dollars per good chip at a volume of ' + Number(cost.volume).toLocaleString('en') + '.',
    height: 340,
    option: () => ({
      grid: {left: 8, right: 12, top: 24, bottom: 8, containLabel: true},
      tooltip: {trigger: 'item', formatter: p => '<b>' + text(steps[p.dataIndex].name) + '</b><br>' + dollars(steps[p.dataIndex].add)},
      xAxis: {type: 'category', data: steps.map(s => s.name), axisLabel: {rotate: 40, color: theme.ink, hideOverlap: false, interval: 0}},
      yAxis: {type: 'value', axisLabel: {formatter: v => '$ ' + v.toLocaleString('en')}},
      series: [
        {type: 'bar', stack: 'w', silent: true, itemStyle: {color: 'transparent'}, data: steps.map(s => s.from)},
        {type: 'bar', stack: 'w', label: {show: !narrow(), position: 'top', color: theme.ink, formatter: p => dollars(steps[p.dataIndex].add)},
          data: steps.map(s => ({value: s.add, itemStyle: {color: theme.colours[s.total ? 0 : 1]}}))},
      ],
    }),
    table: {columns: [{name: 'step'}, {name: 'cost', unit: 'USD', show: dollars}], rows: steps.map(s => [s.name, s.add])},
  });
}

function tornadoFigure(title, bars, base, show) {
  const shown = bars.filter(b => b.result_low !== null && b.result_high !== null)
    .sort((a, b) => Math.abs(b.result_high - b.result_low) - Math.abs(a.result_high - a.result_low)).slice(0, 12);
  if (!shown.length) return null;
  return figure({
    title,
    note: 'Each constant alone from the low to the high end of its range; the twelve that matter most.',
    height: 80 + 26 * shown.length,
    option: () => ({
      grid: {left: 8, right: 24, top: 12, bottom: 24, containLabel: true},
      tooltip: {trigger: 'item', formatter: p => { const b = shown[p.dataIndex]; return '<b>' + text(b.constant) + '</b><br>' +
        digits(b.low) + ' → ' + show(b.result_low) + '<br>' + digits(b.high) + ' → ' + show(b.result_high); }},
      xAxis: {type: 'value', scale: true, axisLabel: {formatter: v => show(v)}},
      yAxis: {type: 'category', inverse: true, data: shown.map(b => b.constant),
        axisLabel: {color: theme.ink, width: narrow() ? 130 : 260, overflow: 'truncate'}},
      series: [
        {type: 'bar', stack: 't', silent: true, itemStyle: {color: 'transparent'}, data: shown.map(b => Math.min(b.result_low, b.result_high))},
        {type: 'bar', stack: 't', barMaxWidth: 18, data: shown.map(b => ({value: Math.abs(b.result_high - b.result_low),
          itemStyle: {color: theme.colours[b.result_high >= b.result_low ? 0 : 1]}})),
          markLine: base === null ? undefined : {silent: true, symbol: 'none', lineStyle: {color: theme.ink}, label: {show: false},
            data: [{xAxis: base}]}},
      ],
    }),
    table: {columns: [{name: 'constant'}, {name: 'low'}, {name: 'high'}, {name: 'result at low', show}, {name: 'result at high', show}],
      rows: bars.map(b => [b.constant, b.low, b.high, b.result_low, b.result_high])},
  });
}

function costSection(cost) {
  const sides = cost.vs ? [cost, cost.vs] : [cost];
  const rows = [];
  for (const [name, key] of [['making it', 'manufacturing_usd'], ['with its design (NRE)', 'with_nre_usd'], ['price', 'purchase_usd']]) {
    for (const side of sides) rows.push([name, side.chip, side[key].p5, side[key].p50, side[key].p95, side[key].nominal]);
  }
  for (const side of sides) {
    const hour = side.ownership.usd_per_chip_hour;
    rows.push(['ownership of a chip-hour', side.chip, hour.p5, hour.p50, hour.p95, hour.nominal]);
  }
  const nodes = [dataTable('Cost', [{name: 'cost'}, {name: 'chip'}, {name: '5th percentile', show: dollars},
    {name: 'median', show: dollars}, {name: '95th percentile', show: dollars}, {name: 'nominal', show: dollars}], rows)];
  if (cost.ratio && cost.ratio.claims) {
    nodes.push(element('h3', {}, 'How sure is what is said about the two'),
      dataTable('Claims', [{name: 'claim', wide: true}, {name: 'share of the draws', show: percent}],
        cost.ratio.claims.map(c => [c.claim, c.probability])));
  }
  const pair = make => sides.length > 1 ? element('div', {class: 'two'}, sides.map(make)) : make(cost);
  nodes.push(pair(areaFigure), pair(waterfallFigure));
  nodes.push(tornadoFigure('What the cost of making ' + cost.chip + ' depends on', cost.tornado.manufacturing_usd,
    cost.manufacturing_usd.nominal, dollars));
  return ['cost', 'Area and cost', nodes];
}

// The charts that reports use; scripts/report-assets makes one file of them.
import {graphic, init, use} from 'echarts/core';
import {BarChart, CustomChart, LineChart, ParallelChart, ScatterChart, TreemapChart} from 'echarts/charts';
import {
  AriaComponent, DataZoomComponent, GridComponent, LegendComponent, MarkLineComponent, ParallelComponent,
  TooltipComponent,
} from 'echarts/components';
import {CanvasRenderer} from 'echarts/renderers';

use([
  BarChart, CustomChart, LineChart, ParallelChart, ScatterChart, TreemapChart, AriaComponent, DataZoomComponent, GridComponent,
  LegendComponent, MarkLineComponent, ParallelComponent, TooltipComponent, CanvasRenderer,
]);
globalThis.echarts = {graphic, init};

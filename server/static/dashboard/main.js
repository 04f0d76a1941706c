// Starts every part of the dashboard.

import { startAlarms } from "./alarms.js";
import { redrawCharts } from "./charts.js";
import { startChallenger } from "./challenger.js";
import { startConfiguration } from "./configuration.js";
import { startJoin } from "./join.js";
import { startLatency } from "./latency.js";
import { startOverTime } from "./over_time.js";
import { startPulse } from "./pulse.js";
import { startRows } from "./rows.js";
import { startShares } from "./shares.js";
import { startSnapshots } from "./snapshots.js";
import { startTheme } from "./theme.js";
import { startTiles } from "./tiles.js";
import { startTitles } from "./titles.js";
import { startWeights } from "./weights.js";

startTheme(redrawCharts);
startPulse();
startTiles();
startOverTime();
startShares();
startTitles();
startRows();
startSnapshots();
startWeights();
startAlarms();
startChallenger();
startLatency();
startJoin();
startConfiguration();

/* SPDX-License-Identifier: MIT */
#pragma once
#include "bench.h"

/* Where more than this was taken by others, of all processors' time, a row is marked. */
#define AGL_REPORT_LOADED 0.10

/* What is added for each lock and comes to a sixth of the whole with 10 000 locks has an exponent of 0.03. */
#define AGL_REPORT_EXPONENT 0.03

typedef struct
{
  char *what, *unit;
  double ours, reference, ratio, goal;
  AglGoal kind;
  AglCurve *curve; /* (nullable): it is about growth; ours is with most locks, the reference without; @goal
                      may be NAN */
  AglLoad load;
} AglReportRow;

gboolean agl_report_row_is_met (const AglReportRow *row);
/* As people read it. "–" where there is none. */
char *agl_report_format (double value, const char *unit);
char *agl_report_row_goal (const AglReportRow *row);
char *agl_report_row_met (const AglReportRow *row);
/* (nullable): what is to be known of all rows. */
char *agl_report_remark (GPtrArray *rows);

void agl_report_write_json (GPtrArray *rows, const char *path);
void agl_report_write_page (GPtrArray *rows, const char *path);

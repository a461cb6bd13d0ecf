/* SPDX-License-Identifier: MIT */

/* What others take of this machine: all that its processors do, without what we and the processes that we
 * started (services, buses, sleepers, references) use of it. */
#include "bench.h"

#include <stdio.h>
#include <unistd.h>

/* The kernel counts in ticks of some milliseconds: less than this says little. */
#define SHORTEST_USEC 500000

static double began_busy, began_all, began_own;
static double began_at;

/* In microseconds of processors. Stolen time is that of others on the same hardware. */
static void
look (double *busy, double *all, double *own)
{
  unsigned long long user, nice, sys, idle, wait, irq, soft, steal;
  double tick = 1e6 / (double)sysconf (_SC_CLK_TCK);
  FILE *file = fopen ("/proc/stat", "re");

  if (file == NULL
      || fscanf (file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &sys, &idle, &wait, &irq,
                 &soft, &steal)
             != 8)
    agl_bench_fail ("/proc/stat cannot be read");
  fclose (file);
  *busy = (double)(user + nice + sys + irq + soft + steal) * tick;
  *all = *busy + (double)(idle + wait) * tick;
  *own = agl_bench_own_processor_time ();
}

void
agl_load_begin (void)
{
  look (&began_busy, &began_all, &began_own);
  began_at = agl_bench_now ();
}

double
agl_load_of_others (void)
{
  double busy, all, own, elapsed = agl_bench_now () - began_at;

  if (elapsed < SHORTEST_USEC)
    g_usleep ((gulong)(SHORTEST_USEC - elapsed));
  look (&busy, &all, &own);
  busy -= began_busy;
  own -= began_own;
  all -= began_all;
  return all <= 0 || busy <= own ? 0 : (busy - own) / all;
}

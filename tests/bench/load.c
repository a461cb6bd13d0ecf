/* SPDX-License-Identifier: MIT */

/* What others take of this machine: all that its processors do, without what we and the processes that we
 * started (services, buses, sleepers, references) use of it. The kernel's own threads are told apart: nobody
 * started those, and some of them (kdamond is one) work the more the more processes sleep. */
#include "bench.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The kernel counts in ticks of some milliseconds: less than this says little. */
#define SHORTEST_USEC 500000

/* In microseconds of processors. */
typedef struct
{
  double at, busy, all, own;
  GHashTable *kernel; /* of each thread, by its number */
} Look;

static Look began;

/* Where the kernel does not tell its threads (CONFIG_PROC_CHILDREN) they count as others. */
static GHashTable *
look_at_kernel (void)
{
  GHashTable *threads = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  FILE *file = fopen ("/proc/2/task/2/children", "re");
  int pid;

  while (file != NULL && fscanf (file, "%d", &pid) == 1)
    {
      struct timespec used;
      clockid_t clock;

      if (clock_getcpuclockid (pid, &clock) == 0 && clock_gettime (clock, &used) == 0)
        {
          double usec = used.tv_sec * 1e6 + used.tv_nsec / 1e3;

          g_hash_table_insert (threads, GINT_TO_POINTER (pid), g_memdup2 (&usec, sizeof usec));
        }
    }
  if (file != NULL)
    fclose (file);
  return threads;
}

/* Stolen time is that of others on the same hardware. */
static Look
look (void)
{
  unsigned long long user, nice, sys, idle, wait, irq, soft, steal;
  double tick = 1e6 / (double)sysconf (_SC_CLK_TCK);
  FILE *file = fopen ("/proc/stat", "re");
  Look self;

  if (file == NULL
      || fscanf (file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &sys, &idle, &wait, &irq,
                 &soft, &steal)
             != 8)
    agl_bench_fail ("/proc/stat cannot be read");
  fclose (file);
  self.at = agl_bench_now ();
  self.busy = (double)(user + nice + sys + irq + soft + steal) * tick;
  self.all = self.busy + (double)(idle + wait) * tick;
  self.own = agl_bench_own_processor_time ();
  self.kernel = look_at_kernel ();
  return self;
}

void
agl_load_begin (void)
{
  g_clear_pointer (&began.kernel, g_hash_table_unref);
  began = look ();
}

static char *
read_name (int pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/comm", pid);
  char *name = NULL;

  if (!g_file_get_contents (path, &name, NULL, NULL))
    return g_strdup ("a thread");
  return g_strchomp (name);
}

/* @busiest: which did most of it. */
static double
sum_kernel (GHashTable *now, int *busiest)
{
  GHashTableIter iter;
  gpointer pid, value;
  double sum = 0, most = -1;

  g_hash_table_iter_init (&iter, now);
  while (g_hash_table_iter_next (&iter, &pid, &value))
    {
      const double *then = g_hash_table_lookup (began.kernel, pid);
      double used = *(double *)value - (then != NULL ? *then : 0);

      sum += used;
      if (used > most)
        {
          most = used;
          *busiest = GPOINTER_TO_INT (pid);
        }
    }
  return sum;
}

AglLoad
agl_load_since (void)
{
  double elapsed = agl_bench_now () - began.at, all, kernel;
  AglLoad load = { 0 };
  int busiest = 2;
  Look now;

  if (elapsed < SHORTEST_USEC)
    g_usleep ((gulong)(SHORTEST_USEC - elapsed));
  now = look ();
  all = now.all - began.all;
  kernel = sum_kernel (now.kernel, &busiest);
  g_hash_table_unref (now.kernel);
  load.busiest = read_name (busiest);
  if (all <= 0)
    return load;
  load.kernel = kernel / all;
  load.others = MAX (0, (now.busy - began.busy - (now.own - began.own) - kernel) / all);
  return load;
}

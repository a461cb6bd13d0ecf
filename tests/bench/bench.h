/* SPDX-License-Identifier: MIT */
#pragma once
#include <gio/gio.h>

/* What the rows of the benchmark share. Any failure ends the run with a message: a figure that was taken from
 * something broken is worse than none. Times are microseconds. */

/* Figures. */

typedef struct
{
  GArray *ours, *reference; /* double, each one call */
  GArray *ratios;           /* double, of each round's medians: drift and noise cancel here */
} AglPair;

typedef double (*AglTimed) (gpointer data); /* does it once; returns how long it took */

double agl_bench_now (void);
double agl_bench_quantile (GArray *samples, double quantile);
double agl_bench_median (GArray *samples);
/* Slope of log y over log x: 0 is "does not grow", 1 is "grows as the number does". */
double agl_bench_exponent (const double *x, const double *y, guint n);
GArray *agl_bench_batch (AglTimed timed, gpointer data, guint batch);

/* @rounds times: @batch of one, then @batch of the other, in turns; the first round is thrown away. */
AglPair *agl_pair_measure (
    AglTimed ours, gpointer our_data, AglTimed reference, gpointer reference_data, guint batch, guint rounds);
void agl_pair_free (AglPair *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglPair, agl_pair_free)

/* The table. */

typedef enum
{
  AGL_GOAL_AT_MOST,
  AGL_GOAL_AT_LEAST,
  AGL_GOAL_NONE /* told for its own sake */
} AglGoal;

/* What is added from here on is marked where others used the machine between this and then. */
void agl_report_begin (const char *topic);
/* @reference and @ratio may be NAN. The goal is about @ratio, or about @ours where that is NAN. */
void agl_report_add (const char *what,
                     double ours,
                     double reference,
                     const char *unit,
                     double ratio,
                     AglGoal kind,
                     double goal);
void agl_report_pair (const char *what, const AglPair *pair, AglGoal kind, double goal);
/* @json: where to write the same. @page: (nullable): a file of Markdown to put the table in. */
void agl_report_print (const char *json, const char *page);

/* The scene: a bus of its own, the service, and processes that sleep. */

typedef struct
{
  char *bin;  /* folder of the built programs of the benchmark */
  char *root; /* temporary folder */
  char *fast; /* another, in memory, as runtime directories are */
  char *here; /* where this process works: for all scenes the same, where they are told so */
  char *bus, *direct;
  char *daemon, *cli; /* programs */
  GPid bus_pid, daemon_pid, alone_pid;
  GDBusConnection *on_bus, *on_direct, *on_alone;
} AglScene;

/* @here: (nullable): that of another scene, which is to outlive this one. */
AglScene *agl_scene_new (const char *bin, const char *daemon, const char *cli, const char *here);
void agl_scene_free (AglScene *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglScene, agl_scene_free)

/* Until the name is owned. */
void agl_scene_start_daemon (AglScene *self);
void agl_scene_stop_daemon (AglScene *self);
/* To the direct socket, and off it: who is connected there is told everything. */
void agl_scene_connect (AglScene *self);
void agl_scene_disconnect (AglScene *self);
/* Another service, as there is over SSH and in a container: without a bus. */
void agl_scene_start_alone (AglScene *self);
/* Waits until @name is owned on the bus. */
void agl_scene_await_name (AglScene *self, const char *name);

GPid agl_bench_spawn (const char *const *argv, const char *const *extra_environment, int *in, int *out);
void agl_bench_end (GPid *pid, int signal);
/* For one that ends by itself. */
void agl_bench_await_end (GPid *pid);
/* Spawns, waits for its success, and says how long that took. */
double agl_bench_run (const char *const *argv);
G_NORETURN void agl_bench_fail (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* @count processes that sleep, each in a directory of its own; they end with this process. */
typedef struct
{
  GPid leader;
  int in;
  GArray *pids; /* pid_t */
  GPtrArray *directories;
} AglFleet;

AglFleet *agl_fleet_new (AglScene *scene, const char *name, guint count);
void agl_fleet_free (AglFleet *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglFleet, agl_fleet_free)
/* Locks for those from @first to @end - 1, each on its own directory. */
void agl_fleet_lock (AglFleet *self, GDBusConnection *connection, guint first, guint end);

/* The service's object, and in bench-daemon the one that does nothing (noop-object.c). */
#define AGL_LOCKS_NAME "org.agentctl.Locks"
#define AGL_LOCKS_PATH "/org/agentctl/Locks"
#define AGL_NOOP_PATH  "/org/agentctl/Bench"

GDBusConnection *agl_bench_connect (const char *address, gboolean is_bus);
/* To a process that was just started: its socket is there a moment before it listens. */
GDBusConnection *agl_bench_connect_patiently (const char *address, gboolean is_bus);
GVariant *agl_bench_call (GDBusConnection *connection,
                          const char *name,
                          const char *path,
                          const char *method,
                          GVariant *parameters);
GVariant *agl_bench_acquire_arguments (const char *directory, pid_t pid);

/* /proc/PID: kilobytes resident; of each thread the voluntary switches, and the nanoseconds of CPU. */
double agl_bench_resident_kib (GPid pid);
GHashTable *agl_bench_switches (GPid pid);
GHashTable *agl_bench_cpu (GPid pid);
/* What all threads that there are @after did since @before. */
double agl_bench_since (GHashTable *before, GHashTable *after);

/* Microseconds of processors, all threads: of one, and of us and all that we started. */
double agl_bench_processor_time (GPid pid);
double agl_bench_own_processor_time (void);

/* What was taken of all processors since, from 0 to 1. Waits where too little time has passed to say. */
typedef struct
{
  double others; /* other processes */
  double kernel; /* the kernel's own threads */
  char *busiest; /* the name of that of them which took most */
} AglLoad;

void agl_load_begin (void);
AglLoad agl_load_since (void); /* free @busiest with g_free() */

/* What is timed (timed.c). */

typedef struct
{
  GDBusConnection *connection;
  const char *name; /* NULL on a direct socket */
  const char *path, *directory, *address;
  gboolean looks;            /* for unregistered agents */
  const pid_t *pids;         /* two that work in or below the directory */
  GArray *acquire, *release; /* (nullable): each half */
} AglTarget;

AglTarget agl_target_on_bus (const AglScene *scene);
AglTarget agl_target_direct (const AglScene *scene);
double agl_timed_acquire_and_release (gpointer target); /* the mean of both */
double agl_timed_doors (gpointer targets);              /* no time: the first's by the second's */
double agl_timed_check (gpointer target);
double agl_timed_connect_and_acquire (gpointer target);
double agl_timed_look (gpointer target);
double agl_timed_occupants (gpointer target);
double agl_timed_list (gpointer target);
double agl_timed_transfer (gpointer target); /* there or back */
double agl_timed_grant (gpointer target);    /* to who waits, from the Release on */
double agl_timed_program (gpointer argv);

/* How it grows. */

#define AGL_GROWTH_POINTS 4

extern const guint agl_growth_locks[AGL_GROWTH_POINTS];

typedef struct
{
  GArray *of[AGL_GROWTH_POINTS]; /* double */
} AglSeries;

typedef struct
{
  AglSeries *samples;   /* each call */
  AglSeries *times;     /* the median of each round */
  AglSeries *processor; /* what the service's processor time grew by, per call, in each round */
} AglGrowth;

typedef struct
{
  double points[AGL_GROWTH_POINTS];
  double ratio;    /* with most locks, by that without */
  double exponent; /* of the points with locks */
} AglCurve;

/* @data: as many as there are points, each of @size bytes. */
AglGrowth *agl_growth_measure (
    AglScene *const *scenes, AglTimed timed, gconstpointer data, gsize size, guint batch, guint rounds);
void agl_growth_free (AglGrowth *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AglGrowth, agl_growth_free)
/* Medians of the rounds, of their ratios and of their exponents. */
AglCurve agl_series_curve (const AglSeries *self);
/* Of everything at once. */
AglCurve agl_series_quantile_curve (const AglSeries *self, double quantile);

typedef enum
{
  AGL_GROWTH_FREE,  /* it may grow */
  AGL_GROWTH_NONE,  /* from 100 locks on it may not */
  AGL_GROWTH_STRICT /* and with most it may cost no more than without */
} AglGrowthGoal;

/* @unit: empty for a plain number. */
void agl_report_curve (const char *what, const AglCurve *curve, const char *unit, AglGrowthGoal goal);

/* The rows. */
void agl_rows_calls (AglScene *scene);
void agl_rows_fresh (AglScene *scene);
void agl_rows_throughput (AglScene *scene);
int agl_rows_throughput_client (const char *address, const char *path, const char *directory);
void agl_rows_death (AglScene *scene, guint n_locks);
/* Each with as many locks as agl_growth_locks says. */
void agl_rows_growth (AglScene *const *scenes, const AglFleet *fleet);
void agl_rows_death_growth (AglScene *const *scenes);
void agl_rows_list (AglScene *scene);
void agl_rows_whole_process (AglScene *scene);
void agl_rows_detection (AglScene *scene);
void agl_rows_occupants (AglScene *scene, const AglFleet *fleet);
void agl_rows_rounds (AglScene *scene, const AglFleet *fleet, guint seconds);
void agl_rows_start (AglScene *scene);

/* SPDX-License-Identifier: MIT */

/* Whether what a call costs grows with the number of locks. */
#include "bench.h"

typedef AglTarget (*MakeTarget) (const AglScene *scene);

typedef struct
{
  AglTarget of[AGL_GROWTH_POINTS];
} Targets;

typedef struct
{
  const char *argv[8];
} Command;

static Targets
make_targets (AglScene *const *scenes, MakeTarget make)
{
  Targets targets;

  for (guint i = 0; i < AGL_GROWTH_POINTS; i++)
    targets.of[i] = make (scenes[i]);
  return targets;
}

static void
report (const char *what, const AglGrowth *growth, AglGrowthGoal goal)
{
  AglCurve times = agl_series_curve (growth->times);
  AglCurve processor = agl_series_curve (growth->processor);

  agl_report_curve (what, &times, "µs", goal);
  agl_report_curve ("  the service's processor time, whole turn", &processor, "µs",
                    goal == AGL_GROWTH_FREE ? AGL_GROWTH_FREE : AGL_GROWTH_NONE);
}

static void
measure (const char *what,
         AglScene *const *scenes,
         AglTimed timed,
         const Targets *targets,
         guint batch,
         guint rounds,
         AglGrowthGoal goal)
{
  g_autoptr (AglGrowth) growth = NULL;

  agl_report_begin (what);
  growth = agl_growth_measure (scenes, timed, targets->of, sizeof targets->of[0], batch, rounds);
  report (what, growth, goal);
}

static void
measure_doors (AglScene *const *scenes, const Targets *bus, const Targets *direct)
{
  AglTarget doors[AGL_GROWTH_POINTS][2];
  g_autoptr (AglGrowth) growth = NULL;
  AglCurve ratios;

  for (guint i = 0; i < AGL_GROWTH_POINTS; i++)
    {
      doors[i][0] = direct->of[i];
      doors[i][1] = bus->of[i];
    }
  agl_report_begin ("direct against bus");
  growth = agl_growth_measure (scenes, agl_timed_doors, doors, sizeof doors[0], 3, 150);
  ratios = agl_series_curve (growth->times);
  agl_report_curve ("Acquire and Release, direct against bus", &ratios, "", AGL_GROWTH_NONE);
}

static void
measure_command (const char *what,
                 AglScene *const *scenes,
                 const Command *commands,
                 guint batch,
                 guint rounds,
                 AglGrowthGoal goal)
{
  g_autoptr (AglGrowth) growth = NULL;

  agl_report_begin (what);
  growth = agl_growth_measure (scenes, agl_timed_program, commands, sizeof *commands, batch, rounds);
  report (what, growth, goal);
}

static void
measure_commands (AglScene *const *scenes)
{
  Command run[AGL_GROWTH_POINTS], list[AGL_GROWTH_POINTS];
  g_autoptr (GPtrArray) addresses = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < AGL_GROWTH_POINTS; i++)
    {
      const char *cli = scenes[i]->cli;
      char *address = g_strdup_printf ("--address=%s", scenes[i]->bus);

      g_ptr_array_add (addresses, address);
      run[i] = (Command){ { cli, "run", address, scenes[i]->here, "--", "true", NULL } };
      list[i] = (Command){ { cli, "list", address, NULL } };
    }
  measure_command ("agentctl-locks run -- true", scenes, run, 2, 80, AGL_GROWTH_NONE);
  measure_command ("agentctl-locks list (it lists)", scenes, list, 1, 4, AGL_GROWTH_FREE);
}

void
agl_rows_growth (AglScene *const *scenes, const AglFleet *fleet)
{
  g_autoptr (AglFleet) pair = agl_fleet_new (scenes[0], "two", 2);
  g_autofree char *above = g_path_get_dirname (g_ptr_array_index (pair->directories, 0));
  const Targets bus = make_targets (scenes, agl_target_on_bus);
  const Targets direct = make_targets (scenes, agl_target_direct);
  Targets looking = direct, of_two = direct, of_one = direct;

  for (guint i = 0; i < AGL_GROWTH_POINTS; i++)
    {
      looking.of[i].looks = TRUE;
      of_two.of[i].directory = above;
      of_two.of[i].pids = (const pid_t *)pair->pids->data;
      of_one.of[i].directory = g_ptr_array_index (fleet->directories, 0);
    }
  measure ("Acquire and Release, bus", scenes, agl_timed_acquire_and_release, &bus, 10, 120,
           AGL_GROWTH_STRICT);
  measure ("Acquire and Release, direct", scenes, agl_timed_acquire_and_release, &direct, 10, 120,
           AGL_GROWTH_STRICT);
  measure_doors (scenes, &bus, &direct);
  measure ("Check, direct", scenes, agl_timed_check, &direct, 10, 250, AGL_GROWTH_NONE);
  measure ("Transfer, direct", scenes, agl_timed_transfer, &of_two, 5, 120, AGL_GROWTH_NONE);
  measure ("Release → grant to who waits, direct", scenes, agl_timed_grant, &of_two, 5, 120, AGL_GROWTH_NONE);
  measure ("connect and first Acquire, bus", scenes, agl_timed_connect_and_acquire, &bus, 3, 120,
           AGL_GROWTH_NONE);
  measure ("connect and first Acquire, direct", scenes, agl_timed_connect_and_acquire, &direct, 3, 200,
           AGL_GROWTH_NONE);
  /* Before the rows that need no bus: what the service asked there leaves time limits that wake it up, and
   * after all these rows it is to be idle. */
  measure_commands (scenes);
  agl_rows_death_growth (scenes);
  measure ("Acquire that looks for agents, 10 000 processes", scenes, agl_timed_look, &looking, 1, 24,
           AGL_GROWTH_NONE);
  measure ("Occupants, one of 10 000 processes in it", scenes, agl_timed_occupants, &of_one, 1, 40,
           AGL_GROWTH_NONE);
  measure ("List, direct (it lists)", scenes, agl_timed_list, &direct, 1, 5, AGL_GROWTH_FREE);
}

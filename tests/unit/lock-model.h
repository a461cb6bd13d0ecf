/* SPDX-License-Identifier: MIT */
#pragma once
#include "naive-table.h"
#include "replay.h"
#include "table-world.h"

/* What the randomised test of the table is made of. */

#define N_HOLDERS 30
#define N_USERS   3
#define N_VIEWS   20

typedef struct
{
  AglLockTable *table;
  NaiveTable naive;
  Replay replay;
  GRand *random;
  GString *told;
  GString *history; /* the last few operations, for whoever has to find the fault */
  Holder holders[N_HOLDERS];
  AglDirectory *directories[N_VIEWS];
  NaiveView views[N_VIEWS];
  gboolean settled;
  guint64 counted_id; /* of a lock that is released: how many wait for it then */
  guint n_counted;
  guint n_outcomes[3];
  guint n_codes[AGL_N_ERRORS];
  guint n_granted_waits, n_transfers;
  guint n_ended[AGL_N_ERRORS];
} Model;

int model_holder_index (const Model *self, const AglProcess *process);
int model_directory_number (const AglDirectory *directory);

/* That table and naive table agree: about locks and queue, and once settled about who is in whose way. */
void model_compare (Model *self);

/* SPDX-License-Identifier: MIT */
#pragma once
#include "core/lock-store.h"

/* A store in folders of its own, for one test. */
typedef struct
{
  char *base, *runtime, *state, *locks, *claims;
  AglLockStore *store;
  GPtrArray *crashed; /* stores that were left as a crash leaves them */
} StoreFixture;

void store_fixture_add (const char *path, void (*test) (StoreFixture *, gconstpointer));

/* A second store in the same folders. */
AglLockStore *store_fixture_open (StoreFixture *self);
/* What stands in memory is lost, what stands on disk is not; faults end. */
void store_fixture_crash (StoreFixture *self);

void store_fixture_save (StoreFixture *self, const AglLock *lock);
GPtrArray *store_fixture_load (StoreFixture *self);
/* Loads and compares: "7 9over-exited", by id. */
void store_fixture_assert_loaded (StoreFixture *self, const char *expected);

/* (element-type AglLock), not owned. @second: nullable. */
GPtrArray *store_fixture_pointers (AglLock *first, AglLock *second);

/* SPDX-License-Identifier: MIT */
#pragma once
#include "children.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Programs of any name and shape, run as children: copies of stand-in.c. */

/* A temporary directory, as the kernel spells it. */
static inline char *
make_folder (void)
{
  g_autofree char *template = g_build_filename (g_get_tmp_dir (), "agl-test-XXXXXX", NULL);
  char *real;

  g_assert_nonnull (g_mkdtemp (template));
  real = realpath (template, NULL);
  g_assert_nonnull (real);
  return real;
}

static inline int
remove_one (const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
  return remove (path);
}

static inline void
remove_folder (char *folder)
{
  g_assert_cmpint (nftw (folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), ==, 0);
  free (folder);
}

static inline char *
make_subfolder (const char *folder, const char *name)
{
  char *path = g_build_filename (folder, name, NULL);

  g_assert_cmpint (g_mkdir_with_parents (path, 0755), ==, 0);
  return path;
}

/* A program at @folder/@name. */
static inline char *
make_program (const char *folder, const char *name)
{
  g_autofree char *stand_in = g_test_build_filename (G_TEST_BUILT, "stand-in", NULL);
  char *path = g_build_filename (folder, name, NULL);
  g_autofree char *parent = g_path_get_dirname (path);
  g_autofree char *contents = NULL;
  gsize length;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (parent, 0755), ==, 0);
  g_file_get_contents (stand_in, &contents, &length, &error);
  g_assert_no_error (error);
  g_file_set_contents_full (path, contents, length, G_FILE_SET_CONTENTS_NONE, 0755, &error);
  g_assert_no_error (error);
  return path;
}

typedef struct
{
  const char *path;        /* of the program */
  const char *const *argv; /* NULL: its path alone */
  const char *cwd;         /* NULL: the test's own */
  const char *title;       /* see stand-in.c; NULL: none */
} Program;

/* For the child, which ChildFunc tells nothing. */
static Program program_to_run;

static inline void
become_program (int tell_fd)
{
  const char *alone[] = { program_to_run.path, NULL };
  char fd[16];

  if (program_to_run.cwd != NULL && chdir (program_to_run.cwd) != 0)
    _exit (98);
  g_snprintf (fd, sizeof fd, "%d", dup (tell_fd));
  setenv ("STAND_IN_FD", fd, 1);
  if (program_to_run.title != NULL)
    setenv ("STAND_IN_TITLE", program_to_run.title, 1);
  execv (program_to_run.path, (char *const *)(program_to_run.argv != NULL ? program_to_run.argv : alone));
  _exit (97);
}

/* Returns when it runs. */
static inline pid_t
run_program (Program program)
{
  program_to_run = program;
  return start_child (become_program, NULL);
}

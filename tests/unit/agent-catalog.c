/* SPDX-License-Identifier: MIT */
#include "core/agent-catalog.h"

#include "programs.h"

/* What was logged since last asked, one message a line. */
static GString *logged;

static GLogWriterOutput
collect (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, "MESSAGE") == 0 && level <= G_LOG_LEVEL_WARNING)
      g_string_append_printf (logged, "%s\n", (const char *)fields[i].value);
  return level <= G_LOG_LEVEL_CRITICAL ? g_log_writer_default (level, fields, n_fields, user_data)
                                       : G_LOG_WRITER_HANDLED;
}

static void
assert_logged (const char *const *parts)
{
  for (; *parts != NULL; parts++)
    if (strstr (logged->str, *parts) == NULL)
      g_error ("not in the log: %s\n%s", *parts, logged->str);
  g_string_truncate (logged, 0);
}

static AglAgentCatalog *
load (const char *folder)
{
  const char *folders[] = { folder, NULL };

  return agl_agent_catalog_load (folders);
}

static AglAgentCatalog *
load_shipped (void)
{
  g_autofree char *folder = g_test_build_filename (G_TEST_DIST, "..", "..", "data", "agents.d", NULL);
  AglAgentCatalog *catalog = load (folder);

  g_assert_cmpuint (agl_agent_catalog_count_broken (catalog), ==, 0);
  return catalog;
}

static void
write_file (const char *folder, const char *name, const char *contents)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, contents, -1, &error);
  g_assert_no_error (error);
}

typedef enum
{
  AGENT,
  EXCLUDED,
  SPARE
} Kind;

/* Shapes of command lines, and what they are. */
typedef struct
{
  const char *agent; /* NULL: unknown */
  Kind kind;
  const char *comm;
  const char *exe;
  const char *argv[8];
} Shape;

#define VERSION "/home/ann/.local/share/claude/versions/2.1.201"
#define MODULES "/usr/lib/node_modules/"
#define NODE    "/usr/bin/node"
#define NODE_24 "MainThread", NODE
#define PYTHON  "/usr/bin/python3.12"
#define CURSOR  "/home/ann/.local/share/cursor-agent/versions/2026.01.28-fd13201/"

static const Shape shapes[] = {
  { "claude", AGENT, "claude", VERSION, { "claude" } },
  { "claude", AGENT, "claude", VERSION, { "/home/ann/.local/bin/claude", "-p", "daemon" } },
  { "claude", AGENT, "2.1.201", VERSION, { VERSION, "--resume", "x" } },
  { "claude", AGENT, "claude", NODE, { "claude" } },
  { "claude", AGENT, NODE_24, { "node", "--no-warnings", "/usr/local/bin/claude", "-c" } },
  { "claude", AGENT, NODE_24, { "node", MODULES "@anthropic-ai/claude-code/cli.js" } },
  { "claude", AGENT, NODE_24, { "node", "node_modules/@anthropic-ai/claude-code/cli.js" } },
  { "claude", AGENT, "claude", MODULES "@anthropic-ai/claude-code/bin/claude.exe", { "claude" } },
  { "claude", AGENT, "claude", "/opt/x", { "claude", "--", "--bg-spare" } },
  { "claude", EXCLUDED, "claude", VERSION, { "claude", "daemon", "run", "--origin", "transient" } },
  { "claude", SPARE, "2.1.201", VERSION, { VERSION, "--bg-spare", "/tmp/cc-daemon-1/x.claim.sock" } },
  { "claude",
    SPARE,
    "2.1.330",
    VERSION,
    { "claude bg-spare", "--bg-spare", "/tmp/cc-daemon-1/x.claim.sock" } },
  { "claude",
    EXCLUDED,
    "2.1.330",
    VERSION,
    { "claude bg-pty-host", "--bg-pty-host", "s", "200", "50", "--", "claude", "--bg-spare" } },
  { "claude", EXCLUDED, "2.1.330", VERSION, { VERSION, "--daemon-worker", "scheduled" } },
  { "claude", EXCLUDED, "2.1.201", VERSION, { VERSION, "--bg-pty-host", "s", "80", "24", "--", "claude" } },
  { "claude", EXCLUDED, "claude", VERSION, { "claude", "mcp", "serve" } },
  { "claude", EXCLUDED, NODE_24, { "node", MODULES "@anthropic-ai/claude-code/cli.js", "mcp", "serve" } },
  { "claude", AGENT, NODE_24, { "node", "/srv/node_modules/@anthropic-ai/claude-agent-sdk/cli.js", "-p" } },
  { "codex", AGENT, "codex", "/usr/local/bin/codex", { "codex", "exec", "do it" } },
  { "codex",
    EXCLUDED,
    "codex",
    "/home/ann/.codex/packages/app-server-daemon/releases/0.169.0-x86_64-unknown-linux-musl/bin/codex",
    { "codex", "app-server", "daemon", "pid-update-loop" } },
  { "codex", AGENT, "node", NODE, { "node", "/usr/bin/codex", "--yolo" } },
  { "codex", AGENT, ".codex-wrapped", "/nix/store/x/bin/.codex-wrapped", { "/run/current/bin/codex" } },
  { "codex", EXCLUDED, "codex", "/opt/codex", { "codex", "app-server", "--listen", "x" } },
  { "codex", EXCLUDED, "codex", "/opt/codex", { "codex", "-c", "a=b", "mcp-server" } },
  { "codex", EXCLUDED, "node", NODE, { "node", MODULES "@openai/codex/bin/codex.js", "app-server" } },
  { "opencode", AGENT, "opencode", "/home/ann/.opencode/bin/opencode", { "opencode" } },
  { "opencode",
    AGENT,
    ".opencode",
    MODULES "opencode-ai/bin/.opencode",
    { MODULES "opencode-ai/bin/.opencode" } },
  { "opencode", AGENT, NODE_24, { "node", "/usr/local/bin/opencode" } },
  { "opencode", EXCLUDED, "opencode", "/opt/opencode", { "opencode", "serve", "--port", "4096" } },
  { "opencode", AGENT, "opencode2", "/home/ann/.opencode/bin/opencode2", { "opencode2", "--standalone" } },
  { "gemini", AGENT, NODE_24, { "node", "/usr/bin/gemini", "-p", "x" } },
  { "gemini",
    AGENT,
    NODE_24,
    { "/usr/bin/node", "--max-old-space-size=8192", MODULES "@google/gemini-cli/bundle/gemini.js" } },
  { "aider", AGENT, "aider", PYTHON, { "/home/ann/venv/bin/python", "/home/ann/.local/bin/aider" } },
  { "aider", AGENT, "python3", PYTHON, { "python3", "-m", "aider", "--model", "x" } },
  { "goose", AGENT, "goose", "/home/ann/.local/bin/goose", { "goose", "session" } },
  { "goose", EXCLUDED, "goose", "/home/ann/.local/bin/goose", { "goose", "mcp", "developer" } },
  { NULL, AGENT, "goosed", "/opt/goosed", { "goosed", "agent" } },
  { "amp", AGENT, "amp", MODULES "@ampcode/cli/bin/amp", { "amp" } },
  { "amp", AGENT, NODE_24, { "node", MODULES "@sourcegraph/amp/dist/main.js" } },
  { "cursor-agent", AGENT, "node", CURSOR "node", { "/home/ann/.local/bin/agent", CURSOR "index.js" } },
  { "cursor-agent", AGENT, "node", NODE, { "node", "--use-system-ca", CURSOR "index.js" } },
  { "cursor-agent", EXCLUDED, "node", CURSOR "node", { CURSOR "node", CURSOR "index.js", "worker-server" } },
  { "amp", AGENT, "amp", MODULES "@ampcode/cli/bin/amp.exe", { "amp", "--no-tui" } },
  { "amp", EXCLUDED, "amp", MODULES "@ampcode/cli/bin/amp.exe", { "amp", "net", "exit-node" } },
  { "cursor-agent",
    AGENT,
    "node",
    "/opt/cask/node",
    { "/opt/bin/cursor-agent", "--use-system-ca", "/opt/cask/index.js" } },
  { "copilot", AGENT, NODE_24, { "node", "/usr/local/bin/copilot" } },
  { "copilot", AGENT, "MainThread", MODULES "@github/copilot-linux-x64/copilot", { "x/copilot", "-p" } },
  { "copilot", EXCLUDED, "copilot", "/opt/copilot", { "copilot", "--headless", "--stdio" } },
  { "qwen", AGENT, NODE_24, { "node", MODULES "@qwen-code/qwen-code/cli-entry.js" } },
  { "qwen", AGENT, NODE_24, { "node", "/usr/local/bin/qwen" } },
  { "pi", AGENT, "pi", NODE, { "pi" } },
  { "pi", AGENT, NODE_24, { "node", MODULES "@mariozechner/pi-coding-agent/dist/cli.js" } },
  { "pi", AGENT, "pi-rpc", NODE, { "pi-rpc" } },
  { "pi", AGENT, NODE_24, { "node", MODULES "@earendil-works/pi-coding-agent/dist/bundle/rpc-entry.js" } },
  { NULL, AGENT, "pi", "/usr/games/pi", { "pi", "1000" } },
  { "openclaw", EXCLUDED, "node", NODE, { "node", "/usr/bin/openclaw", "mcp", "serve" } },
  { "openclaw", AGENT, "openclaw-tui", NODE, { "openclaw-tui" } },
  { "openclaw", AGENT, "openclaw-agent", NODE, { "openclaw-agent" } },
  { "openclaw", AGENT, "node", NODE, { "node", MODULES "openclaw/dist/entry.js", "tui" } },
  { NULL, AGENT, "openclaw-gatewa", NODE, { "openclaw-gateway" } },
  { "openclaw",
    EXCLUDED,
    "node",
    NODE,
    { "node", MODULES "openclaw/dist/index.js", "gateway", "--port", "1" } },
  { NULL, AGENT, "sh", "/usr/bin/dash", { "sh", "-c", "claude" } },
  { NULL, AGENT, "npm exec claude", NODE, { "npm exec claude" } },
  { NULL, AGENT, "node", NODE, { "node", "/usr/bin/npx", "@openai/codex" } },
  { NULL, AGENT, "vim", "/usr/bin/vim", { "vim", "claude" } },
  { NULL, AGENT, "vim", "/usr/bin/vim", { "codex" } },
  { "codex", AGENT, "main", "/opt/codex-x86_64-unknown-linux-musl", { "/opt/codex" } },
  { NULL, AGENT, "sshd", "/usr/sbin/sshd", { "sshd: ann@pts/claude" } },
  { NULL, AGENT, "sshd", "/usr/lib/openssh/sshd-session", { "sshd: ann@pts/claude" } },
  { NULL, AGENT, "node", NODE, { "watching /srv/claude" } },
  { NULL, AGENT, "kworker/0:1", NULL, { NULL } },
};

static void
test_shapes (void)
{
  g_autoptr (AglAgentCatalog) catalog = load_shipped ();

  g_assert_cmpuint (agl_agent_catalog_size (catalog), ==, 12);
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    {
      const Shape *one = &shapes[i];
      const AglCommandLine line = { .comm = one->comm, .exe = one->exe, .argv = one->argv };
      AglAgentMatch match = { NULL };
      g_autofree char *file = g_strconcat (one->agent, ".conf", NULL);

      g_test_message ("shape %zu: %s, %s", i, one->comm, one->argv[0]);
      g_assert_cmpint (agl_agent_catalog_match (catalog, &line, &match), ==, one->agent != NULL);
      g_assert_cmpstr (match.agent, ==, one->agent);
      g_assert_cmpint (match.excluded, ==, one->kind != AGENT);
      g_assert_cmpint (match.is_spare, ==, one->kind == SPARE);
      if (one->agent == NULL)
        continue;
      g_assert_true (g_str_has_suffix (match.file, file));
      g_assert_cmpint (g_str_has_prefix (match.rule, "ExcludeArguments="), ==, one->kind == EXCLUDED);
      g_assert_cmpint (g_str_has_prefix (match.rule, "SpareArguments="), ==, one->kind == SPARE);
    }
}

static void
test_match_says_why (void)
{
  g_autoptr (AglAgentCatalog) catalog = load_shipped ();
  const char *argv[] = { "claude", "daemon", "run", NULL };
  const char *worker[] = { "claude", "-p", "x", NULL };
  AglAgentMatch match;

  g_assert_true (agl_agent_catalog_match (
      catalog, &(AglCommandLine){ .comm = "claude", .exe = "/x", .argv = worker }, &match));
  g_assert_cmpstr (match.name, ==, "Claude Code");
  g_assert_cmpstr (match.rule, ==, "Command=claude");
  g_assert_true (agl_agent_catalog_match (
      catalog, &(AglCommandLine){ .comm = "claude", .exe = "/x", .argv = argv }, &match));
  g_assert_cmpstr (match.rule, ==, "ExcludeArguments=daemon run");
}

static void
assert_identified (const AglAgentCatalog *catalog, pid_t pid, const char *expected)
{
  const char *agent = NULL;

  g_assert_cmpint (agl_agent_catalog_identify (catalog, pid, &agent), ==, expected != NULL);
  g_assert_cmpstr (agent, ==, expected);
}

static void
assert_runs_as (const AglAgentCatalog *catalog, Program program, const char *expected)
{
  pid_t pid = run_program (program);

  assert_identified (catalog, pid, expected);
  kill_and_reap (pid);
}

static void
test_processes (void)
{
  g_autoptr (AglAgentCatalog) catalog = load_shipped ();
  char *folder = make_folder ();
  g_autofree char *claude = make_program (folder, "claude");
  g_autofree char *version = make_program (folder, "share/claude/versions/2.1.9");
  g_autofree char *node = make_program (folder, "bin/node");
  g_autofree char *python = make_program (folder, "bin/python3.12");
  g_autofree char *shell = make_program (folder, "bin/sh");
  const char *spare[] = { version, "--bg-spare", "x", NULL };
  const char *script[] = { "node", "--no-warnings", "/usr/bin/gemini", NULL };
  const char *module[] = { "python3", "-m", "aider", NULL };
  const char *wrapper[] = { "sh", "-c", "claude", NULL };
  const char *title[] = { "node", "/opt/pi/dist/cli.js", NULL };
  const char *nickname[] = { "/usr/bin/codex", NULL };
  g_autofree char *link = g_build_filename (folder, "opencode", NULL);
  g_autofree char *hidden = make_program (folder, "bin/.codex-wrapped");

  g_assert_cmpint (symlink (shell, link), ==, 0);
  assert_runs_as (catalog, (Program){ .path = claude }, "claude");
  assert_runs_as (catalog, (Program){ .path = version }, "claude");
  assert_runs_as (catalog, (Program){ .path = version, .argv = spare }, NULL);
  assert_runs_as (catalog, (Program){ .path = node, .argv = script }, "gemini");
  assert_runs_as (catalog, (Program){ .path = python, .argv = module }, "aider");
  assert_runs_as (catalog, (Program){ .path = shell, .argv = wrapper }, NULL);
  assert_runs_as (catalog, (Program){ .path = node, .argv = title, .title = "pi" }, "pi");
  assert_runs_as (catalog, (Program){ .path = shell, .title = "pi" }, NULL);
  /* Started by a link; under a nickname; hidden behind a wrapper. */
  assert_runs_as (catalog, (Program){ .path = link }, "opencode");
  assert_runs_as (catalog, (Program){ .path = shell, .argv = nickname }, NULL);
  assert_runs_as (catalog, (Program){ .path = hidden, .argv = nickname }, "codex");
  assert_identified (catalog, getpid (), NULL);
  remove_folder (folder);
}

static void
test_ended (void)
{
  g_autoptr (AglAgentCatalog) catalog = load_shipped ();
  char *folder = make_folder ();
  g_autofree char *claude = make_program (folder, "claude");
  pid_t pid = run_program ((Program){ .path = claude });

  kill_and_reap (pid);
  assert_identified (catalog, pid, NULL);
  remove_folder (folder);
}

typedef struct
{
  const char *contents;
  const char *problem; /* NULL: nothing is wrong */
} Contents;

static const Contents files[] = {
  { "", NULL },
  { "\n # masked\n\n", NULL },
  { "[Agent]\nCommand=x;\n", NULL },
  { "[Agent]\nCommand=x\n", NULL },
  { "# c\n[Agent]\nName=Ä\nTitle=x;\nExecutable=*/x;\nScript=x;\nModule=x;\nExcludeArguments=a b;c;\n",
    NULL },
  { "[Agent]\n", "it names no program" },
  { "[Agent]\nName=x\nExcludeArguments=x;\nSpareArguments=y;\n", "it names no program" },
  { "Command=x;\n", "start with a group" },
  { "[Agent]\nnonsense\n", "nonsense" },
  { "[Agent]\nCommand=x;\nComand=y;\n", "line 3: Comand: unknown key" },
  { "[Agent]\nCommand=x;\n\n[Other]\nCommand=y;\n", "line 4: [Other]: unknown group" },
  { "[Agent]\nCommand=x;;y;\n", "line 2: Command: an empty value" },
  { "[Agent]\nCommand=/bin/x;\n", "line 2: Command: a name has no slash" },
  { "[Agent]\nTitle=a/b;\n", "line 2: Title: a name has no slash" },
  { "[Agent]\nExecutable=*;\n", "line 2: Executable: a pattern that every path fits" },
  { "[Agent]\nScript=*/?*;\n", "line 2: Script: a pattern that every path fits" },
  { "[Agent]\nCommand=x;\nExcludeArguments=a  b;\n", "line 3: ExcludeArguments: words" },
  { "[Agent]\nCommand=x;\nSpareArguments=a  b;\n", "line 3: SpareArguments: words" },
  { "[Agent]\nCommand=x;\nName=\n", "line 3: Name: empty or too long" },
  { "[Agent]\nCommand=\xff;\n", "Command" },
  { "\xff\xfe", "" },
};

static void
test_check (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autoptr (GError) error = NULL;
      gboolean is_right = agl_agent_catalog_check (files[i].contents, strlen (files[i].contents), &error);

      g_test_message ("file %zu: %s", i, error == NULL ? "right" : error->message);
      g_assert_cmpint (is_right, ==, files[i].problem == NULL);
      g_assert_cmpint (error == NULL, ==, files[i].problem == NULL);
      if (error != NULL)
        g_assert_nonnull (strstr (error->message, files[i].problem));
    }
  g_assert_true (agl_agent_catalog_check (NULL, 0, NULL));
  g_assert_false (agl_agent_catalog_check ("[Agent]\nCommand=x;\n\0", 20, NULL));
}

/* A broken file costs itself, and says so. */
static void
test_broken (void)
{
  char *folder = make_folder ();
  g_autofree char *fifo = g_build_filename (folder, "fifo.conf", NULL);
  g_autofree char *dangling = g_build_filename (folder, "dangling.conf", NULL);
  g_autofree G_GNUC_UNUSED char *nested = make_subfolder (folder, "nested.conf");
  g_autofree char *large = g_strnfill (65537, '#');
  g_autoptr (AglAgentCatalog) catalog = NULL;

  write_file (folder, "good.conf", "[Agent]\nCommand=good;\n");
  write_file (folder, "key.conf", "[Agent]\nCommand=x;\nOops=1\n");
  write_file (folder, "Bad Name.conf", "[Agent]\nCommand=x;\n");
  write_file (folder, ".conf", "[Agent]\nCommand=x;\n");
  write_file (folder, ".hidden.conf", "nonsense");
  write_file (folder, "readme.txt", "nonsense");
  write_file (folder, "large.conf", large);
  g_assert_cmpint (mkfifo (fifo, 0644), ==, 0);
  g_assert_cmpint (symlink ("/nowhere/at/all", dangling), ==, 0);

  catalog = load (folder);
  g_assert_cmpuint (agl_agent_catalog_size (catalog), ==, 1);
  g_assert_cmpuint (agl_agent_catalog_count_broken (catalog), ==, 6);
  assert_logged ((const char *[]){ "key.conf is left out: line 3: Oops: unknown key\n", "Bad Name.conf",
                                   "large.conf is left out: it is larger than 65536 bytes\n",
                                   "fifo.conf is left out: it is no regular file\n",
                                   "nested.conf is left out: it is no regular file\n", "dangling.conf",
                                   NULL });
  remove_folder (folder);
}

static const char *
find (const AglAgentCatalog *catalog, const char *comm)
{
  const char *none[] = { NULL };
  const AglCommandLine line = { .comm = comm, .argv = none };
  AglAgentMatch match;

  return agl_agent_catalog_match (catalog, &line, &match) ? match.agent : NULL;
}

static void
test_folders (void)
{
  char *weak = make_folder ();
  char *middle = make_folder ();
  char *strong = make_folder ();
  g_autofree char *masked = g_build_filename (strong, "second.conf", NULL);
  const char *folders[] = { weak, "/nowhere/at/all", middle, strong, NULL };
  g_autoptr (AglAgentCatalog) catalog = NULL;
  g_autoptr (AglAgentCatalog) other = NULL;

  write_file (weak, "first.conf", "[Agent]\nCommand=first-weak;\n");
  write_file (weak, "second.conf", "[Agent]\nCommand=second-weak;\n");
  write_file (weak, "third.conf", "[Agent]\nCommand=third-weak;\n");
  write_file (weak, "fourth.conf", "[Agent]\nCommand=fourth-weak;\n");
  write_file (middle, "first.conf", "[Agent]\nCommand=first-middle;\n");
  write_file (middle, "third.conf", "");
  write_file (middle, "fourth.conf", "nonsense");
  write_file (strong, "first.conf", "[Agent]\nCommand=first-strong;\n");
  write_file (strong, "third.conf", "[Agent]\nCommand=third-strong;\n");
  g_assert_cmpint (symlink ("/dev/null", masked), ==, 0);

  catalog = agl_agent_catalog_load (folders);
  g_assert_cmpuint (agl_agent_catalog_size (catalog), ==, 3);
  g_assert_cmpuint (agl_agent_catalog_count_broken (catalog), ==, 1);
  assert_logged ((const char *[]){ "fourth.conf", NULL });
  g_assert_null (find (catalog, "first-weak"));
  g_assert_null (find (catalog, "first-middle"));
  g_assert_cmpstr (find (catalog, "first-strong"), ==, "first");
  g_assert_null (find (catalog, "second-weak"));
  g_assert_null (find (catalog, "third-weak"));
  g_assert_cmpstr (find (catalog, "third-strong"), ==, "third");
  /* A slip of the pen in a stronger folder does not unprotect. */
  g_assert_cmpstr (find (catalog, "fourth-weak"), ==, "fourth");

  folders[1] = NULL;
  other = agl_agent_catalog_load (folders);
  g_assert_cmpuint (agl_agent_catalog_size (other), ==, 4);
  remove_folder (weak);
  remove_folder (middle);
  remove_folder (strong);
}

static void
test_patterns (void)
{
  static const struct
  {
    const char *pattern;
    const char *exe;
    gboolean fits;
  } cases[] = {
    { "x", "/a/x", TRUE },
    { "x", "/a/xx", FALSE },
    { "x?", "/a/xy", TRUE },
    { "x*", "/x/y", FALSE },
    { "/a/x", "/a/x", TRUE },
    { "/a/x", "/b/a/x", FALSE },
    { "*/a/*/x", "/1/a/2/3/x", TRUE },
    { "*/a/x", "/a/x", TRUE },
    { "*/a/x", "a/x", TRUE },
    { "*/a/x", "ba/x", FALSE },
    { "*a*a*a*b", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", FALSE },
    { "*/\xc3\xa4?", "/\xc3\xa4\xff", TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      char *folder = make_folder ();
      g_autofree char *contents = g_strdup_printf ("[Agent]\nExecutable=%s;\n", cases[i].pattern);
      const char *none[] = { NULL };
      const AglCommandLine line = { .comm = "-", .exe = cases[i].exe, .argv = none };
      g_autoptr (AglAgentCatalog) catalog = NULL;
      AglAgentMatch match;

      write_file (folder, "it.conf", contents);
      catalog = load (folder);
      g_test_message ("pattern %zu: %s", i, cases[i].pattern);
      g_assert_cmpuint (agl_agent_catalog_size (catalog), ==, 1);
      g_assert_cmpint (agl_agent_catalog_match (catalog, &line, &match), ==, cases[i].fits);
      remove_folder (folder);
    }
}

/* The kernel cuts comm at 15 bytes, on both sides of a comparison. */
static void
test_long_name (void)
{
  char *folder = make_folder ();
  g_autoptr (AglAgentCatalog) catalog = NULL;

  write_file (folder, "it.conf", "[Agent]\nCommand=a-name-of-twenty-bb;fifteen-byte-xy;\n");
  catalog = load (folder);
  g_assert_cmpstr (find (catalog, "a-name-of-twent"), ==, "it");
  g_assert_cmpstr (find (catalog, "fifteen-byte-xy"), ==, "it");
  g_assert_null (find (catalog, "a-name-of-twen"));
  g_assert_null (find (catalog, ""));
  remove_folder (folder);
}

/* One that says agent goes before one that says helper. */
static void
test_two_say (void)
{
  char *folder = make_folder ();
  const char *argv[] = { "x", "serve", NULL };
  const AglCommandLine line = { .comm = "x", .argv = argv };
  g_autoptr (AglAgentCatalog) catalog = NULL;
  AglAgentMatch match;

  write_file (folder, "a.conf", "[Agent]\nCommand=x;\nExcludeArguments=serve;\n");
  write_file (folder, "b.conf", "[Agent]\nCommand=x;\n");
  catalog = load (folder);
  g_assert_true (agl_agent_catalog_match (catalog, &line, &match));
  g_assert_cmpstr (match.agent, ==, "b");
  g_assert_false (match.excluded);
  remove_folder (folder);
}

static void
test_empty (void)
{
  g_autoptr (AglAgentCatalog) catalog = agl_agent_catalog_new ();
  g_autoptr (AglAgentCatalog) again = agl_agent_catalog_ref (catalog);

  g_assert_cmpuint (agl_agent_catalog_size (again), ==, 0);
  g_assert_null (find (again, "claude"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  logged = g_string_new (NULL);
  g_log_set_writer_func (collect, NULL, NULL);
  g_test_add_func ("/agent-catalog/shapes", test_shapes);
  g_test_add_func ("/agent-catalog/match-says-why", test_match_says_why);
  g_test_add_func ("/agent-catalog/processes", test_processes);
  g_test_add_func ("/agent-catalog/ended", test_ended);
  g_test_add_func ("/agent-catalog/check", test_check);
  g_test_add_func ("/agent-catalog/broken", test_broken);
  g_test_add_func ("/agent-catalog/folders", test_folders);
  g_test_add_func ("/agent-catalog/patterns", test_patterns);
  g_test_add_func ("/agent-catalog/long-name", test_long_name);
  g_test_add_func ("/agent-catalog/two-say", test_two_say);
  g_test_add_func ("/agent-catalog/empty", test_empty);
  return g_test_run ();
}

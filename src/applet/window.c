/* SPDX-License-Identifier: MIT */
#include "applet/window.h"

#include <glib/gi18n.h>

#include "applet/claim-dialog.h"
#include "applet/lock-actions.h"
#include "applet/lock-groups.h"
#include "applet/lock-list.h"
#include "applet/lock-search.h"

/* A word is read in this time. */
#define TOAST_SEC 3

struct _AglWindow
{
  AdwApplicationWindow parent_instance;
  AglServiceLink *link;
  AglChoices *choices;
  AglRepositoryFinder *repositories;
  GtkFilter *filter;
  GListModel *shown; /* the locks that the search leaves */
  char **words;      /* of the search; NULL: none */
  AdwToastOverlay *toasts;
  AdwWindowTitle *window_title;
  GtkSearchBar *search_bar;
  GtkSearchEntry *search_entry;
  GtkBox *lines;
  GtkRevealer *banner;
  GtkLabel *banner_label;
  GtkStack *pages;
  AdwStatusPage *away_page;
  GtkEntry *command;
  AglLockList *list;
};

G_DEFINE_FINAL_TYPE (AglWindow, agl_window, ADW_TYPE_APPLICATION_WINDOW)

AglServiceLink *
agl_window_get_link (AglWindow *self)
{
  g_return_val_if_fail (AGL_IS_WINDOW (self), NULL);
  return self->link;
}

void
agl_window_say (AglWindow *self, const char *text)
{
  AdwToast *toast;
  g_autofree char *escaped = NULL;

  g_return_if_fail (AGL_IS_WINDOW (self));

  if (self->toasts == NULL) /* it was closed before the answer came */
    return;
  escaped = g_markup_escape_text (text, -1);
  toast = adw_toast_new (escaped);
  adw_toast_set_timeout (toast, TOAST_SEC);
  adw_toast_overlay_add_toast (self->toasts, toast);
}

void
agl_window_add_line (AglWindow *self, GtkWidget *line)
{
  g_return_if_fail (AGL_IS_WINDOW (self));
  gtk_box_append (self->lines, line);
}

/* --- how things stand --- */

static const char *
choose_page (AglWindow *self)
{
  AglLinkState state = agl_service_link_get_state (self->link);
  GListModel *model = G_LIST_MODEL (agl_service_link_get_model (self->link));

  if (g_list_model_get_n_items (self->shown) > 0)
    return "list";
  if (g_list_model_get_n_items (model) > 0)
    return "nothing-found";
  switch (state)
    {
    case AGL_LINK_CONNECTING:
      return "connecting";
    case AGL_LINK_READY:
      return "empty";
    case AGL_LINK_AWAY:
      return "away";
    }
  g_return_val_if_reached ("away");
}

static void
tell_number (AglWindow *self)
{
  guint n = agl_lock_model_count_directories (agl_service_link_get_model (self->link));
  g_autofree char *text = NULL;

  if (n > 0)
    /* Translators: %u is a number of directories */
    text = g_strdup_printf (g_dngettext (NULL, "%u directory in use", "%u directories in use", n), n);
  adw_window_title_set_subtitle (self->window_title, text == NULL ? "" : text);
}

static void
update (AglWindow *self)
{
  const char *page = choose_page (self);
  const char *reason = agl_service_link_get_reason (self->link);
  gboolean away = agl_service_link_get_state (self->link) == AGL_LINK_AWAY;
  g_autofree char *escaped = g_markup_escape_text (reason == NULL ? "" : reason, -1);
  g_autofree char *text = NULL;

  tell_number (self);
  gtk_stack_set_visible_child_name (self->pages, page);
  adw_status_page_set_description (self->away_page, escaped);
  if (away)
    {
      /* Translators: %s is what went wrong, one or two sentences */
      text = g_strdup_printf (_ ("%s What is shown here is as it was then."), reason);
      gtk_label_set_text (self->banner_label, text);
    }
  /* Where there is nothing to be misled by, a page says it. */
  gtk_revealer_set_reveal_child (self->banner, away && !g_str_equal (page, "away"));
}

static void
on_link_changed (AglServiceLink *link, GParamSpec *pspec, gpointer user_data)
{
  update (user_data);
}

static void
on_items_changed (GListModel *model, guint position, guint removed, guint added, gpointer user_data)
{
  update (user_data);
}

/* --- searching --- */

static gboolean
is_wanted (gpointer item, gpointer user_data)
{
  return agl_lock_search_matches (AGL_WINDOW (user_data)->words, item);
}

static void
on_search_changed (AglWindow *self)
{
  g_strfreev (self->words);
  self->words = agl_lock_search_new (gtk_editable_get_text (GTK_EDITABLE (self->search_entry)));
  gtk_filter_changed (self->filter, GTK_FILTER_CHANGE_DIFFERENT);
  update (self);
}

static void
on_search_activate (AglWindow *self)
{
  agl_lock_list_take_focus (self->list);
}

void
agl_window_show_lock (AglWindow *self, guint64 id)
{
  g_return_if_fail (AGL_IS_WINDOW (self));

  if (agl_lock_list_show_lock (self->list, id))
    return;
  /* The search may hide it. */
  gtk_search_bar_set_search_mode (self->search_bar, FALSE);
  gtk_editable_set_text (GTK_EDITABLE (self->search_entry), "");
  on_search_changed (self);
  agl_lock_list_show_lock (self->list, id);
}

/* --- actions --- */

static void
on_claim (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  agl_claim_dialog_present (user_data, NULL);
}

static void
on_search (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  AglWindow *self = user_data;

  gtk_search_bar_set_search_mode (self->search_bar, TRUE);
  gtk_widget_grab_focus (GTK_WIDGET (self->search_entry));
}

static void
on_start_service (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  agl_service_link_open (AGL_WINDOW (user_data)->link);
}

static void
on_copy_command (GSimpleAction *action, GVariant *parameter, gpointer user_data)
{
  AglWindow *self = user_data;

  gdk_clipboard_set_text (gtk_widget_get_clipboard (user_data),
                          gtk_editable_get_text (GTK_EDITABLE (self->command)));
  agl_window_say (self, _ ("Command copied"));
}

static const GActionEntry entries[] = {
  { "claim", on_claim },
  { "search", on_search },
  { "start-service", on_start_service },
  { "copy-command", on_copy_command },
};

/* --- GObject --- */

static void
arrange (AglWindow *self)
{
  g_autoptr (AglLockGroups) groups = NULL;

  if (agl_choices_get (self->choices, "group-by-repository"))
    {
      groups = agl_lock_groups_new (self->shown);
      g_signal_connect_object (self->repositories, "found", G_CALLBACK (agl_lock_groups_regroup), groups,
                               G_CONNECT_SWAPPED);
    }
  agl_lock_list_set_items (self->list, groups != NULL ? G_LIST_MODEL (groups) : self->shown);
}

static void
follow (AglWindow *self, AglServiceLink *link)
{
  GListModel *locks = G_LIST_MODEL (agl_service_link_get_model (link));

  self->link = g_object_ref (link);
  self->filter = GTK_FILTER (gtk_custom_filter_new (is_wanted, self, NULL));
  self->shown = G_LIST_MODEL (gtk_filter_list_model_new (g_object_ref (locks), g_object_ref (self->filter)));
  g_signal_connect_object (link, "notify::state", G_CALLBACK (on_link_changed), self, 0);
  g_signal_connect_object (link, "notify::reason", G_CALLBACK (on_link_changed), self, 0);
  g_signal_connect_object (self->shown, "items-changed", G_CALLBACK (on_items_changed), self, 0);
  g_signal_connect_object (locks, "items-changed", G_CALLBACK (on_items_changed), self, 0);
  update (self);
}

AglWindow *
agl_window_new (AglApplication *application)
{
  AglWindow *self = g_object_new (AGL_TYPE_WINDOW, "application", application, NULL);

  self->choices = g_object_ref (agl_application_get_choices (application));
  self->repositories = g_object_ref (agl_application_get_repositories (application));
  follow (self, agl_application_get_link (application));
  g_signal_connect_object (self->choices, "notify::group-by-repository", G_CALLBACK (arrange), self,
                           G_CONNECT_SWAPPED);
  arrange (self);
  return self;
}

static void
agl_window_dispose (GObject *object)
{
  AglWindow *self = AGL_WINDOW (object);

  if (self->list != NULL)
    agl_lock_list_set_items (self->list, NULL);
  /* Whoever waits for an answer may keep it a while, but it shows nothing any more. */
  if (self->link != NULL)
    {
      g_signal_handlers_disconnect_by_data (agl_service_link_get_model (self->link), self);
      g_signal_handlers_disconnect_by_data (self->link, self);
    }
  if (self->shown != NULL)
    g_signal_handlers_disconnect_by_data (self->shown, self);
  /* The filter asks us, and may outlive us for a moment. */
  if (self->filter != NULL)
    gtk_custom_filter_set_filter_func (GTK_CUSTOM_FILTER (self->filter), NULL, NULL, NULL);
  g_clear_object (&self->shown);
  g_clear_object (&self->filter);
  g_clear_object (&self->choices);
  g_clear_object (&self->repositories);
  g_clear_object (&self->link);
  g_clear_pointer (&self->words, g_strfreev);
  G_OBJECT_CLASS (agl_window_parent_class)->dispose (object);
}

static void
agl_window_class_init (AglWindowClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  g_type_ensure (AGL_TYPE_LOCK_LIST);
  G_OBJECT_CLASS (klass)->dispose = agl_window_dispose;
  gtk_widget_class_set_template_from_resource (widget_class, "/org/agentctl/Locks/Applet/ui/window.ui");
  gtk_widget_class_bind_template_child (widget_class, AglWindow, toasts);
  gtk_widget_class_bind_template_child (widget_class, AglWindow, window_title);
  gtk_widget_class_bind_template_child (widget_class, AglWindow, search_bar);
  gtk_widget_class_bind_template_child (widget_class, AglWindow, search_entry);
  gtk_widget_class_bind_template_child (widget_class, AglWindow, lines);
  gtk_widget_class_bind_template_child (widget_class, AglWindow, banner);
  gtk_widget_class_bind_template_child (widget_class, AglWindow, banner_label);
  gtk_widget_class_bind_template_child (widget_class, AglWindow, pages);
  gtk_widget_class_bind_template_child (widget_class, AglWindow, away_page);
  gtk_widget_class_bind_template_child (widget_class, AglWindow, command);
  gtk_widget_class_bind_template_child (widget_class, AglWindow, list);
  gtk_widget_class_bind_template_callback (widget_class, on_search_changed);
  gtk_widget_class_bind_template_callback (widget_class, on_search_activate);
}

static void
agl_window_init (AglWindow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  gtk_search_bar_connect_entry (self->search_bar, GTK_EDITABLE (self->search_entry));
  g_action_map_add_action_entries (G_ACTION_MAP (self), entries, G_N_ELEMENTS (entries), self);
  agl_lock_actions_add (self);
}

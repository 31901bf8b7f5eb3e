"""Names of states, outcomes and actions on operators' pages."""

from core.i18n import gettext_noop
from roadmap.operations.audit_log import Action, AuditOutcome
from tasks.message_browser import MessageState

STATES = {  # in the order of the tabs
    MessageState.held: gettext_noop("Running"),
    MessageState.ready: gettext_noop("Ready to run"),
    MessageState.scheduled: gettext_noop("Scheduled"),
    MessageState.retrying: gettext_noop("Waiting to retry"),
    MessageState.dead: gettext_noop("Dead letters"),
}
OUTCOMES = {
    AuditOutcome.done: gettext_noop("Done"),
    AuditOutcome.refused: gettext_noop("Refused"),
    AuditOutcome.failed: gettext_noop("Failed"),
    None: gettext_noop("Unknown"),
}
ACTIONS = {
    Action.queue_pause: gettext_noop("Paused a queue"),
    Action.queue_resume: gettext_noop("Resumed a queue"),
    Action.message_retry: gettext_noop("Retried a dead letter"),
    Action.message_delete: gettext_noop("Deleted a dead letter"),
    Action.message_revoke: gettext_noop("Revoked a message"),
    Action.dead_retry: gettext_noop("Retried dead letters"),
    Action.dead_delete: gettext_noop("Deleted dead letters"),
    Action.invitation_create: gettext_noop("Created an invitation"),
    Action.invitation_withdraw: gettext_noop("Revoked an invitation"),
    Action.key_create: gettext_noop("Created an API key"),
    Action.key_revoke: gettext_noop("Revoked an API key"),
    Action.backup_make: gettext_noop("Created a backup"),
    Action.logs_export: gettext_noop("Exported the execution log"),
    Action.roadmap_cancel: gettext_noop("Cancelled a roadmap"),
    Action.roadmap_retry: gettext_noop("Retried a roadmap"),
    Action.roadmaps_transfer: gettext_noop("Transferred all roadmaps of an account"),
    Action.user_email: gettext_noop("Changed an email address"),
    Action.user_add: gettext_noop("Created an account"),
    Action.user_password: gettext_noop("Set a new password"),
    Action.user_admin: gettext_noop("Changed the administrator role"),
    Action.user_observer: gettext_noop("Changed the observer role"),
    Action.user_logout: gettext_noop("Ended all logins of an account"),
    Action.user_disable: gettext_noop("Disabled an account"),
    Action.agent_change: gettext_noop("Changed by an agent"),
}

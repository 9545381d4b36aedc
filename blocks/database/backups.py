"""Backups of a cluster by AWS Backup.

DSQL has full snapshots and no point-in-time recovery; a restore always creates a new cluster.
The account must opt in to DSQL in AWS Backup in each Region, which a template cannot do.
Sources: AWS user guide, "Backup and restore for Amazon Aurora DSQL"; AWS Backup developer guide, "Amazon Aurora DSQL
backups".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_backup as backup
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

from blocks.shared.acknowledgments import BACKUP, BACKUP_POLICY, acknowledge
from blocks.shared.arguments import COUNT, DAYS, ROLE, checked
from blocks.shared.errors import ConstructError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_kms as kms

    from blocks.database.interface import IDistributedDatabase


@dataclass(frozen=True, slots=True)
class BackupPolicy:
    """Schedule and vault of backups; created by `daily` or `from_plan`."""

    plan: backup.IBackupPlan | None
    keep: Duration
    hour: int
    vault: backup.IBackupVault | None
    copy_to: tuple[backup.IBackupVault, ...]
    role: iam.IRole | None

    @property
    def has_no_copies(self) -> bool:
        """True if backups are not copied to another vault; False for a plan of the app, which may copy them."""
        return self.plan is None and not self.copy_to

    @staticmethod
    @checked({"keep": DAYS, "hour": COUNT, "role": ROLE})
    def daily(
        *,
        keep: Duration | None = None,
        hour: int = 5,
        vault: backup.IBackupVault | None = None,
        copy_to: Sequence[backup.IBackupVault] = (),
        role: iam.IRole | None = None,
    ) -> BackupPolicy:
        """Back up once a day.

        Args:
            keep: retention of a backup. Default: 35 days.
            hour: hour of the day at which it starts, UTC. Default: 5.
            vault: vault of the backups. Default: a new vault, which is retained when the stack is deleted and is
                encrypted with the key of the database, if it has one.
            copy_to: vaults of other Regions or accounts to copy each backup to. Default: no copies.
            role: IAM role of AWS Backup. Default: a new role with AWS's policy for backups.

        Raises:
            ConstructError: the hour is out of range, or the retention is less than a day.
        """
        if not 0 <= hour <= 23:
            raise ConstructError(
                f"hour is {hour}, not 0 to 23", "a day has 24 hours", "leave it out for 5 o'clock UTC"
            )
        keep = keep or Duration.days(35)
        if not keep.is_unresolved() and keep.to_days(integral=False) < 1:
            raise ConstructError(
                f"backups would be kept for {keep.to_human_string()}",
                "AWS Backup keeps them for days",
                "choose Duration.days(1) or longer, or leave it out for 35 days",
            )
        return BackupPolicy(None, keep, hour, vault, tuple(copy_to), role)

    @staticmethod
    def from_plan(plan: backup.IBackupPlan, *, role: iam.IRole | None = None) -> BackupPolicy:
        """Back up by an existing plan.

        Args:
            plan: backup plan that the cluster is added to.
            role: IAM role of AWS Backup. Default: a new role with AWS's policy for backups.
        """
        return BackupPolicy(plan, Duration.days(35), 5, None, (), role)


class DatabaseBackup(Construct):
    """Backups of one cluster; created by a database with `backup=`."""

    plan: backup.IBackupPlan
    """Schedule and retention."""
    vault: backup.IBackupVault | None
    """Vault of the backups; None for a plan of the app, which names its own."""
    role: iam.IRole
    """IAM role of AWS Backup."""
    selection: backup.BackupSelection
    """Assignment of the cluster to the plan, with the role."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        database: IDistributedDatabase,
        policy: BackupPolicy,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        """Create plan, vault and role as `policy` requires.

        Args:
            scope: parent construct, the database.
            id: construct id.
            database: database to back up.
            policy: schedule and vault.
            encryption_key: key of a new vault. Default: AWS's key for backups.
        """
        super().__init__(scope, id)
        self.role = policy.role or self._own_role()
        self.vault = None
        if policy.plan is None:
            self.vault = policy.vault or backup.BackupVault(self, "Vault", encryption_key=encryption_key)
            self.plan = self._own_plan(policy, self.vault)
        else:
            self.plan = policy.plan
        self.selection = backup.BackupSelection(
            self,
            "Selection",
            backup_plan=self.plan,
            resources=[backup.BackupResource.from_arn(database.cluster_arn)],
            role=self.role,
            disable_default_backup_policy=True,
        )

    def _own_plan(self, policy: BackupPolicy, vault: backup.IBackupVault) -> backup.BackupPlan:
        rule = backup.BackupPlanRule(
            rule_name="Daily",
            schedule_expression=events.Schedule.cron(hour=str(policy.hour), minute="0"),
            delete_after=policy.keep,
            copy_actions=[
                backup.BackupPlanCopyActionProps(destination_backup_vault=copy, delete_after=policy.keep)
                for copy in policy.copy_to
            ],
        )
        return backup.BackupPlan(self, "Plan", backup_vault=vault, backup_plan_rules=[rule])

    def _own_role(self) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("backup.amazonaws.com"),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(BACKUP_POLICY)],
            description="Backs up a DSQL cluster",
        )
        acknowledge(role, BACKUP)
        return role

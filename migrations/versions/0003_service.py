"""service: who asked, priorities, hints, events, workers

Revision: 0003, after 0002
"""
from alembic import op
import sqlalchemy as sa


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('jobs') as jobs:
        jobs.add_column(sa.Column('owner', sa.String(length=80), nullable=False, server_default=''))
        jobs.add_column(sa.Column('service', sa.Boolean(), nullable=False, server_default=sa.false()))
        jobs.add_column(sa.Column('priority', sa.Integer(), nullable=False, server_default='0'))
        jobs.add_column(sa.Column('slots', sa.Integer(), nullable=True))
        jobs.add_column(sa.Column('charged_at', sa.DateTime(), nullable=True))
        jobs.create_index('ix_jobs_state_service', ['state', 'service'])
        jobs.create_index('ix_jobs_created_at', ['created_at'])
    with op.batch_alter_table('work_items') as items:
        items.add_column(sa.Column('hinted_at', sa.DateTime(), nullable=True))
        items.create_index('ix_work_items_finished_at', ['finished_at'])
    with op.batch_alter_table('trials') as trials:
        trials.create_index('ix_trials_job_id', ['job_id'])
    op.create_table(
        'events',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(), nullable=False),
        sa.Column('kind', sa.String(length=24), nullable=False),
        sa.Column('job_id', sa.String(length=16), nullable=True),
        sa.Column('item_id', sa.Integer(), nullable=True),
        sa.Column('owner', sa.String(length=120), nullable=True),
        sa.Column('text', sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_events')),
    )
    op.create_index('ix_events_job_id_id', 'events', ['job_id', 'id'])
    op.create_table(
        'workers',
        sa.Column('name', sa.String(length=120), nullable=False),
        sa.Column('host', sa.String(length=80), nullable=False),
        sa.Column('queues', sa.String(length=80), nullable=False),
        sa.Column('slots', sa.Integer(), nullable=False),
        sa.Column('version', sa.String(length=40), nullable=False),
        sa.Column('devices', sa.String(length=80), nullable=False),
        sa.Column('sandbox_level', sa.String(length=12), nullable=False),
        sa.Column('started_at', sa.DateTime(), nullable=False),
        sa.Column('seen_at', sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint('name', name=op.f('pk_workers')),
    )


def downgrade() -> None:
    op.drop_table('workers')
    op.drop_index('ix_events_job_id_id', 'events')
    op.drop_table('events')
    with op.batch_alter_table('trials') as trials:
        trials.drop_index('ix_trials_job_id')
    with op.batch_alter_table('work_items') as items:
        items.drop_index('ix_work_items_finished_at')
        items.drop_column('hinted_at')
    with op.batch_alter_table('jobs') as jobs:
        jobs.drop_index('ix_jobs_created_at')
        jobs.drop_index('ix_jobs_state_service')
        for name in ('charged_at', 'slots', 'priority', 'service', 'owner'):
            jobs.drop_column(name)

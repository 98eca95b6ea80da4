"""other settings of a candidate's second trial, and which a trial was trained with; older jobs keep their entropy bonus

Revision: 0006, after 0005
"""
from alembic import op
import sqlalchemy as sa


revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('candidates') as candidates:
        candidates.add_column(sa.Column('adjustment', sa.JSON(), nullable=True))
    with op.batch_alter_table('trials') as trials:
        trials.add_column(sa.Column('settings', sa.JSON(), nullable=True))
    # A job of an older version goes on with the constant coefficient that it began with.
    _change_training(lambda training: {'entropy_schedule': 'constant', **training})


def _change_training(change):
    connection = op.get_bind()
    jobs = sa.table('jobs', sa.column('id', sa.String), sa.column('spec', sa.JSON))
    for job_id, spec in connection.execute(sa.select(jobs.c.id, jobs.c.spec)).all():
        if isinstance(spec, dict) and isinstance(spec.get('training'), dict):
            changed = {**spec, 'training': change(spec['training'])}
            connection.execute(jobs.update().where(jobs.c.id == job_id).values(spec=changed))


def downgrade() -> None:
    _change_training(lambda training: {k: v for k, v in training.items() if k != 'entropy_schedule'})
    with op.batch_alter_table('trials') as trials:
        trials.drop_column('settings')
    with op.batch_alter_table('candidates') as candidates:
        candidates.drop_column('adjustment')

"""other settings of a candidate's second trial, and which a trial was trained with

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


def downgrade() -> None:
    with op.batch_alter_table('trials') as trials:
        trials.drop_column('settings')
    with op.batch_alter_table('candidates') as candidates:
        candidates.drop_column('adjustment')

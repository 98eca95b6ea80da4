"""what a worker can run: its algorithms, extras, installed tasks and devices

Revision: 0009, after 0008
"""
import sqlalchemy as sa
from alembic import op


revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('workers') as workers:
        workers.add_column(sa.Column('capabilities', sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('workers') as workers:
        workers.drop_column('capabilities')

"""what a provider says of a call besides its answer: the fingerprint of the model, and cached prompt tokens

Revision: 0010, after 0009
"""
import sqlalchemy as sa
from alembic import op


revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('llm_calls') as calls:
        calls.add_column(sa.Column('fingerprint', sa.String(200), nullable=True))
        calls.add_column(sa.Column('cached_tokens', sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('llm_calls') as calls:
        calls.drop_column('cached_tokens')
        calls.drop_column('fingerprint')

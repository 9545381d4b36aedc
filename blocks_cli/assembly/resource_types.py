"""CloudFormation resource types that the local deploy treats in a way of their own."""

from __future__ import annotations

CLUSTER = "AWS::DSQL::Cluster"
FUNCTION = "AWS::Lambda::Function"
TABLE = "AWS::DynamoDB::Table"
GLOBAL_TABLE = "AWS::DynamoDB::GlobalTable"
LAYER = "AWS::Lambda::LayerVersion"
ROLE = "AWS::IAM::Role"
POLICY = "AWS::IAM::Policy"
MANAGED_POLICY = "AWS::IAM::ManagedPolicy"
ROLE_POLICY = "AWS::IAM::RolePolicy"
NESTED_STACK = "AWS::CloudFormation::Stack"
CUSTOM_RESOURCE = "AWS::CloudFormation::CustomResource"
MIGRATIONS = "Custom::DsqlMigrations"
GRANT = "Custom::DsqlGrant"

FUNCTION_URL = "AWS::Lambda::Url"
HTTP_API = "AWS::ApiGatewayV2::Api"
HTTP_INTEGRATION = "AWS::ApiGatewayV2::Integration"
HTTP_ROUTE = "AWS::ApiGatewayV2::Route"
HTTP_STAGE = "AWS::ApiGatewayV2::Stage"
PARAMETER = "AWS::SSM::Parameter"

_OF_THE_CDK = frozenset(
    {
        *("Custom::AWS", "Custom::CDKBucketDeployment", "Custom::CrossRegionExportReader"),
        *("Custom::CrossRegionExportWriter", "Custom::DynamoDBReplica", "Custom::ECRAutoDeleteImages"),
        *("Custom::LogRetention", "Custom::S3AutoDeleteObjects", "Custom::S3BucketNotifications"),
        *("Custom::UserPoolCloudFrontDomainName", "Custom::VpcRestrictDefaultSG"),
    }
)
IDENTITIES = frozenset({ROLE, POLICY, MANAGED_POLICY, ROLE_POLICY})
"""Types that decide what a function may do."""


def is_custom(type_name: str) -> bool:
    """Return whether a handler function makes resources of this type."""
    return type_name == CUSTOM_RESOURCE or type_name.startswith("Custom::")


def is_of_the_cdk(type_name: str) -> bool:
    """Return whether a handler of the CDK makes the resource, which calls services without a local counterpart."""
    return type_name in _OF_THE_CDK or type_name.startswith("Custom::AWSCDK")

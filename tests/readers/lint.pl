# Checks the records of a MARCXML file with MARC::Lint.
use strict;
use warnings;

use MARC::Batch;
use MARC::File::XML (BinaryEncoding => 'utf8', RecordFormat => 'MARC21');
use MARC::Lint;

my ($path) = @ARGV;
my $lint = MARC::Lint->new;
my ($count, $failed) = (0, 0);
local $SIG{__WARN__} = sub { $failed++; print STDERR "warning: @_" };
my $batch = MARC::Batch->new('XML', $path);
while (my $record = $batch->next) {
    $count++;
    $lint->check_record($record);
    my $name = $record->field('001') ? $record->field('001')->data : $count;
    for my $warning ($lint->warnings) {
        $failed++;
        print STDERR "$name: $warning\n" if $failed < 50;
    }
    for my $warning ($batch->warnings, $record->warnings) {
        $failed++;
        print STDERR "$name: $warning\n" if $failed < 50;
    }
}
print "MARC::Lint: $count records, $failed warnings\n";
exit($failed || !$count ? 1 : 0);

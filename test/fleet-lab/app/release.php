<?php

// Tells which release answers.
echo basename(__DIR__), "\n";

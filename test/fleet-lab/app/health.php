<?php

// What the balancer asks: light, without a session and without the database.
echo "ok\n";
